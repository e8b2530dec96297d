"""Box and class head of C4 models."""

import gin
import keras
import tensorflow as tf

from panet_tf.heads.class_channels import box_channels
from panet_tf.heads.regions import flatten_regions, split_regions


@gin.register(module="panet_tf")
@keras.saving.register_keras_serializable("panet_tf")
class AverageBoxHead(keras.layers.Layer):
    """Class logits and box deltas of regions from the mean of their features (Mask R-CNN, figure 4, left).

    All that a C4 model has behind the fifth stage of its ResNet, the `shared_head` of its branches (`Res5Head`).

    Args:
        num_classes: int, K, without background.
        class_agnostic: bool, whether one box serves all classes. Defaults to False.

    Input: tuple of one tensor, float (B, R, S, S, C).
    Output: dict of `"class_logits"`, float32 (B, R, K + 1), background first, and `"box_deltas"`, float32
        (B, R, K or 1, 4), dy, dx, dh, dw. Both layers are float32 under any policy.

    Raises:
        ValueError: when built for several levels.

    Example:
        >>> predictions = AverageBoxHead(num_classes=80)(Res5Head()(FPNLevelPooling()(levels, rois)))
    """

    def __init__(self, *, num_classes, class_agnostic=False, **kwargs):
        super().__init__(**kwargs)
        self.num_classes = num_classes
        self.class_agnostic = class_agnostic
        self.class_logits = self._predictor(num_classes + 1, 0.01, "class_logits")
        self.box_deltas = self._predictor(4 * (1 if class_agnostic else num_classes), 0.001, "box_deltas")

    def _predictor(self, units, stddev, name):
        initializer = keras.initializers.RandomNormal(stddev=stddev)
        return keras.layers.Dense(units, kernel_initializer=initializer, name=name, dtype="float32")

    def build(self, input_shape):
        if len(input_shape) != 1:
            raise ValueError(f"features must be of one level, received {len(input_shape)} of shapes {input_shape}.")
        for layer in (self.class_logits, self.box_deltas):
            if not layer.built:
                layer.build((None, input_shape[0][-1]))

    def call(self, features):
        x = tf.reduce_mean(tf.cast(flatten_regions(features[0]), tf.float32), axis=(1, 2))
        box_deltas = tf.reshape(self.box_deltas(x), (-1, 1 if self.class_agnostic else self.num_classes, 4))
        return {
            "class_logits": split_regions(self.class_logits(x), features[0]),
            "box_deltas": split_regions(box_deltas, features[0]),
        }

    def class_channels(self, num_classes):
        """Classes of the last layers' channels, for weights of other classes: see `box_channels`."""
        return box_channels(self, num_classes)

    def get_config(self):
        return {**super().get_config(), "num_classes": self.num_classes, "class_agnostic": self.class_agnostic}
