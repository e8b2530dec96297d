"""Boundary refinement of the features of regions."""

import gin
import keras
import tensorflow as tf

from panet_tf.heads.regions import flatten_regions, split_regions
from panet_tf.layers.conv_block import ConvBlock


@gin.register(module="panet_tf")
@keras.saving.register_keras_serializable("panet_tf")
class BoundaryRefinement(keras.layers.Layer):
    """Convolutions over the features of regions, with a shortcut around them (SA-FPN + EJ-Head, section 3.2, Figure 3).

    With the shortcut: `relu(x + conv(relu(conv(x))))`; the rectifiers are our reading of a figure without any. Without
    it: convolutions with a rectifier each, the "simple" ones of Table 5.

    Args:
        num_convs: int, 3x3 convolutions. Defaults to 2.
        shortcut: bool, whether the input is added to the last one's output. Defaults to True.
        norm: `None`, `"frozen_bn"`, `"batch"`, `"sync_bn"` or `"group"`, after each convolution. Defaults to `None`.

    Input: tuple of a tensor a level, float (B, R, S, S, C); every level has convolutions of its own.
    Output: tuple of tensors of the same shapes.

    Raises:
        ValueError: without a convolution.

    Example:
        >>> refined = BoundaryRefinement()(FPNLevelPooling(output_size=14)(levels, rois))
    """

    def __init__(self, *, num_convs=2, shortcut=True, norm=None, **kwargs):
        super().__init__(**kwargs)
        if num_convs < 1:
            raise ValueError(f"num_convs must be at least 1, received {num_convs}.")
        self.num_convs = num_convs
        self.shortcut = shortcut
        self.norm = norm

    def build(self, input_shape):
        if self.built:  # parts are made here: building again would leave the first ones' weights behind
            return
        self.convs = []
        for level, shape in enumerate(input_shape, start=1):
            for i in range(self.num_convs):
                last = self.shortcut and i + 1 == self.num_convs
                conv = ConvBlock(
                    filters=shape[-1],
                    norm=self.norm,
                    activation=None if last else "relu",
                    name=f"level{level}_conv{i + 1}",
                    dtype=self.dtype_policy,
                )
                conv.build((None, *shape[2:]))
                self.convs.append(conv)

    def call(self, features, training=None):
        refined = []
        for level, x in enumerate(features):
            y = flatten_regions(x)
            for conv in self.convs[level * self.num_convs : (level + 1) * self.num_convs]:
                y = conv(y, training=training)
            y = split_regions(y, x)
            refined.append(tf.nn.relu(tf.cast(x, y.dtype) + y) if self.shortcut else y)
        return tuple(refined)

    def get_config(self):
        return {
            **super().get_config(),
            "num_convs": self.num_convs,
            "shortcut": self.shortcut,
            "norm": self.norm,
        }
