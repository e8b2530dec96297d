"""Box and class head."""

import math

import gin
import keras
import tensorflow as tf

from panet_tf.heads.class_channels import box_channels
from panet_tf.heads.dense_block import DenseBlock
from panet_tf.heads.level_fusion import LevelFusion
from panet_tf.heads.regions import flatten_regions, split_regions
from panet_tf.layers.conv_block import ConvBlock


@gin.register(module="panet_tf")
@keras.saving.register_keras_serializable("panet_tf")
class BoxHead(keras.layers.Layer):
    """Class logits and box deltas of regions, from their features on one level or on all.

    Two fully-connected layers (FPN, section 4.2), or with `num_convs=4, num_fcs=1` PANet's heavier head (section 4.2).
    The first layer, convolution or fully-connected, exists once a level, and the levels are fused behind it (section
    3.2).

    Args:
        num_classes: int, K, without background.
        num_convs: int, 3x3 convolutions. Defaults to 0.
        num_fcs: int, fully-connected layers. Defaults to 2.
        filters: int, channels of the convolutions. Defaults to 256.
        units: int, of the fully-connected layers. Defaults to 1024.
        norm: `None`, `"frozen_bn"`, `"batch"`, `"sync_bn"` or `"group"`, after each convolution. Defaults to `None`.
        fc_norm: norm after each fully-connected layer. Defaults to `"auto"`: `norm` without convolutions, else `None`,
            as in the authors' release.
        class_agnostic: bool, whether one box serves all classes. Defaults to False.
        fusion: `"max"`, `"sum"` or `"prod"` of levels. Defaults to `"max"`.
        fuse: `"after"` or `"before"` the first layer. Defaults to `"after"`.

    Input: tuple of a tensor a level, float (B, R, S, S, C).
    Output: dict of `"class_logits"`, float32 (B, R, K + 1), background first, and `"box_deltas"`, float32
        (B, R, K or 1, 4), dy, dx, dh, dw. The last layers are float32 under any policy.

    Raises:
        ValueError: for an unknown option, or without any layer.

    Example:
        >>> head = BoxHead(num_classes=80, num_convs=4, num_fcs=1, norm="group")
        >>> predictions = head(AdaptivePooling(output_size=7)(levels, rois))
    """

    def __init__(
        self,
        *,
        num_classes,
        num_convs=0,
        num_fcs=2,
        filters=256,
        units=1024,
        norm=None,
        fc_norm="auto",
        class_agnostic=False,
        fusion="max",
        fuse="after",
        **kwargs,
    ):
        super().__init__(**kwargs)
        if num_convs + num_fcs < 1:
            raise ValueError(f"the head needs a layer, received num_convs={num_convs} and num_fcs={num_fcs}.")
        self.num_classes = num_classes
        self.num_convs = num_convs
        self.num_fcs = num_fcs
        self.filters = filters
        self.units = units
        self.norm = norm
        self.fc_norm = fc_norm
        self.class_agnostic = class_agnostic
        self.fusion = fusion
        self.fuse = fuse
        if fc_norm == "auto":
            fc_norm = None if num_convs else norm
        policy = self.dtype_policy
        first, *rest = [
            ConvBlock(filters=filters, norm=norm, name=f"conv{i + 1}", dtype=policy) for i in range(num_convs)
        ] + [DenseBlock(units=units, norm=fc_norm, name=f"fc{i + 1}", dtype=policy) for i in range(num_fcs)]
        self.first = LevelFusion(layer=first, fusion=fusion, fuse=fuse, name="first", dtype=policy)
        self.rest = rest
        self.class_logits = self._predictor(num_classes + 1, 0.01, "class_logits")
        self.box_deltas = self._predictor(4 * (1 if class_agnostic else num_classes), 0.001, "box_deltas")

    def _predictor(self, units, stddev, name):
        initializer = keras.initializers.RandomNormal(stddev=stddev)
        return keras.layers.Dense(units, kernel_initializer=initializer, name=name, dtype="float32")

    def build(self, input_shape):
        if not self.first.built:
            self.first.build([(None, *shape[2:]) for shape in input_shape])
        rows = tuple(input_shape[0][2:4])
        shape = (None, *rows, self.filters) if self.num_convs else (None, self.units)
        for layer in self.rest:
            if not layer.built:
                layer.build(shape)
            if isinstance(layer, DenseBlock):
                shape = (None, self.units)
        for layer in (self.class_logits, self.box_deltas):
            if not layer.built:
                layer.build((None, math.prod(shape[1:])))

    def hidden(self, features, training=None):
        """The last hidden layer: float (B * R, `units`)."""
        x = self.first(tuple(flatten_regions(x) for x in features), training=training)
        for layer in self.rest:
            x = layer(x, training=training)
        return tf.reshape(x, (-1, math.prod(x.shape[1:])))

    def call(self, features, training=None):
        x = self.hidden(features, training)
        box_deltas = tf.reshape(self.box_deltas(x), (-1, 1 if self.class_agnostic else self.num_classes, 4))
        return {
            "class_logits": split_regions(self.class_logits(x), features[0]),
            "box_deltas": split_regions(box_deltas, features[0]),
        }

    def class_channels(self, num_classes):
        """Classes of the last layers' channels, for weights of other classes: see `box_channels`."""
        return box_channels(self, num_classes)

    def get_config(self):
        return {
            **super().get_config(),
            "num_classes": self.num_classes,
            "num_convs": self.num_convs,
            "num_fcs": self.num_fcs,
            "filters": self.filters,
            "units": self.units,
            "norm": self.norm,
            "fc_norm": self.fc_norm,
            "class_agnostic": self.class_agnostic,
            "fusion": self.fusion,
            "fuse": self.fuse,
        }
