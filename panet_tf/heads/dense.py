"""Head of a dense detector: class logits and box deltas of every anchor."""

import math

import gin
import keras
import numpy as np
import tensorflow as tf

from panet_tf.layers.conv_block import ConvBlock
from panet_tf.layers.norms import make_norm

PER_LEVEL = ("frozen_bn", "batch", "sync_bn")  # norms that remember what they have seen


@gin.register(module="panet_tf")
@keras.saving.register_keras_serializable("panet_tf")
class DenseHead(keras.layers.Layer):
    """RetinaNet's two subnets, one for classes and one for boxes, slid over all levels (Lin's thesis, section 5.4).

    Both are a few 3x3 convolutions and a 3x3 prediction; they share their form and no weight. Each class of each anchor
    is a yes-or-no question (no background class); boxes do not depend on the class.

    Args:
        num_classes: int, K, without background.
        num_anchors: int, anchors a cell. Defaults to 9, three sizes of three shapes.
        filters: int, channels of the convolutions. Defaults to 256.
        num_convs: int, 3x3 convolutions of each subnet before its prediction. Defaults to 4.
        norm: `None`, `"frozen_bn"`, `"batch"`, `"sync_bn"` or `"group"`, after each of them. Batch norms are each
            level's own, as in EfficientDet: levels share the convolutions, but differ in their statistics, and a
            mixture would fit none when the model is used. Defaults to `None`.
        prior: float, probability that every class of every anchor starts from, by the bias of the last layer: at 0.5
            the hundred thousand backgrounds' loss would wreck the first steps (section 5.4.1). Defaults to 0.01.

    Input: dict of levels fine to coarse, float (B, h, w, channels).
    Output: dict of `"class_logits"`, a dict from level to float32 (B, h * w * num_anchors, K), and `"box_deltas"`, a
        dict from level to float32 (B, h * w * num_anchors, 4): row by row, then column, then the anchors of a cell.
        The last layers are float32 under any policy, because detections are ranked by them.

    Raises:
        ValueError: for an unknown norm, or a prior that is no probability; with batch norms, when called with a level
            that the head was not built for.

    Example:
        >>> found = DenseHead(num_classes=80)(levels)
        >>> found["class_logits"]["P3"].shape
        TensorShape([2, 151200, 80])
    """

    def __init__(self, *, num_classes, num_anchors=9, filters=256, num_convs=4, norm=None, prior=0.01, **kwargs):
        super().__init__(**kwargs)
        if not 0.0 < prior < 1.0:
            raise ValueError(f"prior must be a probability above 0 and below 1, received {prior}.")
        self.num_classes = num_classes
        self.num_anchors = num_anchors
        self.filters = filters
        self.num_convs = num_convs
        self.norm = norm
        self.prior = prior
        self.class_convs = self._convs("class_conv")
        self.box_convs = self._convs("box_conv")
        self.class_norms, self.box_norms = {}, {}
        self.class_logits = self._predictor(num_anchors * num_classes, "class_logits", math.log(prior / (1.0 - prior)))
        self.box_deltas = self._predictor(4 * num_anchors, "box_deltas", 0.0)

    def _convs(self, name):
        per_level = self.norm in PER_LEVEL
        return [
            ConvBlock(
                filters=self.filters,
                norm=None if per_level else self.norm,
                activation=None if per_level else "relu",
                use_bias=self.norm is None,
                kernel_initializer=keras.initializers.RandomNormal(stddev=0.01),
                name=f"{name}{i + 1}",
                dtype=self.dtype_policy,
            )
            for i in range(self.num_convs)
        ]

    def _norms(self, name, levels):
        """Norms of one subnet by level and convolution, in one flat dict: Keras 3.13 saves no nested ones."""
        norms = {}
        for level in levels if self.norm in PER_LEVEL else ():
            for i in range(self.num_convs):
                norm = make_norm(self.norm, name=f"{name}{i + 1}_{level}", dtype=self.dtype_policy)
                norm.build((None, None, None, self.filters))
                norms[f"{level}_{i}"] = norm
        return norms

    def _predictor(self, channels, name, bias):
        return keras.layers.Conv2D(
            channels,
            3,
            padding="same",
            kernel_initializer=keras.initializers.RandomNormal(stddev=0.01),
            bias_initializer=keras.initializers.Constant(bias),
            name=name,
            dtype="float32",
        )

    def build(self, input_shape):
        for convs, predictor in ((self.class_convs, self.class_logits), (self.box_convs, self.box_deltas)):
            channels = next(iter(input_shape.values()))[-1]
            for layer in (*convs, predictor):
                if not layer.built:
                    layer.build((None, None, None, channels))
                channels = self.filters
        if not self.class_norms:
            self.class_norms = self._norms("class_norm", input_shape)
            self.box_norms = self._norms("box_norm", input_shape)

    def call(self, levels, training=None):
        class_logits, box_deltas = {}, {}
        for name, features in levels.items():
            of_class = self._features(features, name, self.class_convs, self.class_norms, training)
            of_box = self._features(features, name, self.box_convs, self.box_norms, training)
            class_logits[name] = self._flat(self.class_logits(of_class), self.num_classes)
            box_deltas[name] = self._flat(self.box_deltas(of_box), 4)
        return {"class_logits": class_logits, "box_deltas": box_deltas}

    def _features(self, features, level, convs, norms, training):
        """What a subnet's prediction is made from."""
        if norms and f"{level}_0" not in norms:
            known = tuple(dict.fromkeys(key.rpartition("_")[0] for key in norms))
            raise ValueError(f"levels must be among those that the head was built for {known}, received {level}.")
        for i, conv in enumerate(convs):
            features = conv(features, training=training)
            if norms:
                features = tf.nn.relu(norms[f"{level}_{i}"](features, training=training))
        return features

    def _flat(self, x, last):
        """(B, h, w, A * n) to (B, h * w * A, n), static where the size is known."""
        cells = x.shape[1:3]
        anchors = -1 if None in cells else math.prod(cells) * self.num_anchors
        batch = tf.shape(x)[0] if x.shape[0] is None else x.shape[0]
        return tf.reshape(x, (batch, anchors, last))

    def class_channels(self, num_classes):
        """Classes of the last layers' channels, for weights of other classes: see `box_channels`."""
        return [(self.class_logits, np.tile(np.arange(1, num_classes + 1), self.num_anchors))]

    def get_config(self):
        return {
            **super().get_config(),
            "num_classes": self.num_classes,
            "num_anchors": self.num_anchors,
            "filters": self.filters,
            "num_convs": self.num_convs,
            "norm": self.norm,
            "prior": self.prior,
        }
