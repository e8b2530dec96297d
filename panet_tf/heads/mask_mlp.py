"""Mask head of fully-connected layers."""

import math

import gin
import keras
import tensorflow as tf

from panet_tf.heads.class_channels import mask_channels
from panet_tf.heads.competing_masks import check_activation, competing_logits
from panet_tf.heads.dense_block import DenseBlock
from panet_tf.heads.level_fusion import LevelFusion
from panet_tf.heads.regions import flatten_regions, split_regions


@gin.register(module="panet_tf")
@keras.saving.register_keras_serializable("panet_tf")
class MLPMaskHead(keras.layers.Layer):
    """Masks of regions by fully-connected layers, which forget where a pixel was (Mask R-CNN, Table 2e).

    It stands beside `MaskHead` for comparison: 2.1 mask AP less than that in the paper.

    Args:
        num_classes: int, K, without background.
        units: of the hidden layers. Defaults to (1024, 1024); the table's second row has (1024, 1024, 1024).
        mask_size: int, side of a mask. Defaults to 28.
        norm: `None`, `"frozen_bn"`, `"batch"`, `"sync_bn"` or `"group"`, after each hidden layer. Defaults to `None`.
        class_agnostic: bool, whether one mask serves all classes. Defaults to False.
        activation: `"sigmoid"` or `"softmax"`, as in `MaskHead`. Defaults to `"sigmoid"`.
        fusion: `"max"`, `"sum"` or `"prod"` of levels. Defaults to `"max"`.
        fuse: `"after"` or `"before"` the first layer. Defaults to `"after"`.

    Call arguments: `features`, `classes` and `with_background`, as in `MaskHead`.

    Output: logits, float32 (B, R, M, M, K or 1); with `classes`, (B, R, M, M), or (B, R, M, M, 2), background first.

    Raises:
        ValueError: for an unknown option, or without a hidden layer.

    Example:
        >>> head = MLPMaskHead(num_classes=80)
        >>> logits = head(FPNLevelPooling(output_size=14)(levels, rois), classes=classes)
    """

    def __init__(
        self,
        *,
        num_classes,
        units=(1024, 1024),
        mask_size=28,
        norm=None,
        class_agnostic=False,
        activation="sigmoid",
        fusion="max",
        fuse="after",
        **kwargs,
    ):
        super().__init__(**kwargs)
        check_activation(activation)
        if not units:
            raise ValueError(f"the head needs a hidden layer, received units={units}.")
        self.num_classes = num_classes
        self.units = tuple(units)
        self.mask_size = mask_size
        self.norm = norm
        self.class_agnostic = class_agnostic
        self.activation = activation
        self.fusion = fusion
        self.fuse = fuse
        policy = self.dtype_policy
        first, *rest = [
            DenseBlock(units=n, norm=norm, name=f"fc{i}", dtype=policy) for i, n in enumerate(self.units, start=1)
        ]
        self.first = LevelFusion(layer=first, fusion=fusion, fuse=fuse, name="first", dtype=policy)
        self.rest = rest
        self.channels = (1 if class_agnostic else num_classes) + (activation == "softmax")
        self.predictor = keras.layers.Dense(
            mask_size**2 * self.channels,
            kernel_initializer=keras.initializers.RandomNormal(stddev=0.001),
            name="logits",
            dtype=policy,
        )

    def build(self, input_shape):
        if not self.first.built:
            self.first.build([(None, math.prod(shape[2:])) for shape in input_shape])
        width = self.units[0]
        for layer, units in zip((*self.rest, self.predictor), (*self.units[1:], None)):
            if not layer.built:
                layer.build((None, width))
            width = units

    def call(self, features, classes=None, training=None, with_background=False):
        x = tuple(flatten_regions(x) for x in features)
        x = self.first(tuple(tf.reshape(x, (-1, math.prod(x.shape[1:]))) for x in x), training=training)
        for layer in self.rest:
            x = layer(x, training=training)
        logits = tf.reshape(self.predictor(x), (-1, self.mask_size, self.mask_size, self.channels))
        if self.activation == "softmax":
            logits = competing_logits(logits, self.class_agnostic, classes, with_background)
        elif classes is not None:
            chosen = tf.zeros_like(classes) if self.class_agnostic else tf.maximum(classes - 1, 0)
            logits = tf.gather(logits, tf.reshape(chosen, (-1,)), axis=3, batch_dims=1)
        return split_regions(tf.cast(logits, tf.float32), features[0])

    def class_channels(self, num_classes):
        """Classes of the last layers' channels, for weights of other classes: see `mask_channels`."""
        return mask_channels(self, num_classes, pixels=self.mask_size**2)

    def get_config(self):
        return {
            **super().get_config(),
            "num_classes": self.num_classes,
            "units": self.units,
            "mask_size": self.mask_size,
            "norm": self.norm,
            "class_agnostic": self.class_agnostic,
            "activation": self.activation,
            "fusion": self.fusion,
            "fuse": self.fuse,
        }
