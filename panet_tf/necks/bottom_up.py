"""Pyramids built from the shallow levels of a backbone to the deep ones."""

import gin
import keras
import tensorflow as tf

from panet_tf.layers.conv_block import ConvBlock
from panet_tf.layers.norms import check_norm
from panet_tf.necks.resizing import twice_as_large


@gin.register(module="panet_tf")
@keras.saving.register_keras_serializable("panet_tf")
class BottomUp(keras.layers.Layer):
    """Bottom-up pyramids BU-FPN and BUF-FPN, parallel to a top-down one (SA-FPN + EJ-Head, section 3.1, Figure 2 b, c).

    Each level is a 1x1 convolution of the backbone's level plus the merged shallower level at half its size and, in
    BUF-FPN, the 1x1 convolution of the next deeper backbone level at twice its size; then a 3x3 convolution. The paper
    shows the fusions in a figure only: that the deeper neighbour is the backbone's and that down-sampling is a strided
    3x3 convolution are our readings. Nothing is rectified, as in mmdetection, which the authors used.

    Args:
        filters: int, channels of every level. Defaults to 256.
        norm: `None`, `"frozen_bn"`, `"batch"`, `"sync_bn"` or `"group"`, after each convolution. Defaults to `None`.
        deeper: bool, whether the deeper neighbour is fused too: BUF-FPN. Without it, BU-FPN. Defaults to True.
        downsample: `"conv"`, a strided 3x3 convolution, or `"max"`, the largest of four cells. Defaults to `"conv"`.

    Input: dict of `"C2"`.. `"C5"` (any consecutive levels), float (batch, height / 2^n, width / 2^n, channels).
    Output: dict of `"P2"`.. `"P5"`, float (batch, ceil(height / 2^n), ceil(width / 2^n), filters), and `"P6"`, every
        second cell of P5.

    Raises:
        ValueError: for an unknown option, or levels that do not follow each other.

    Example:
        >>> levels = BottomUp(deeper=False)(backbone(images))
    """

    def __init__(self, *, filters=256, norm=None, deeper=True, downsample="conv", **kwargs):
        super().__init__(**kwargs)
        check_norm(norm)
        if downsample not in ("conv", "max"):
            raise ValueError(f'downsample must be "conv" or "max", received {downsample!r}.')
        self.filters = filters
        self.norm = norm
        self.deeper = deeper
        self.downsample = downsample

    def _conv(self, name, kernel_size=3, strides=1):
        return ConvBlock(
            filters=self.filters,
            kernel_size=kernel_size,
            strides=strides,
            norm=self.norm,
            activation=None,
            kernel_initializer="lecun_uniform",  # uniform within sqrt(3 / fan in): Caffe2's XavierFill
            name=name,
            dtype=self.dtype_policy,
        )

    def build(self, input_shape):
        if self.built:  # parts are made here: building again would leave the first ones' weights behind
            return
        self.numbers = sorted(int(name[1:]) for name in input_shape)
        if self.numbers != list(range(self.numbers[0], self.numbers[-1] + 1)):
            raise ValueError(f"levels must follow each other, received {tuple(input_shape)}.")
        self.laterals = {f"P{n}": self._conv(f"lateral{n}", kernel_size=1) for n in self.numbers}
        self.convs = {f"P{n}": self._conv(f"output{n}") for n in self.numbers}
        strided = self.numbers[1:] if self.downsample == "conv" else []
        self.downs = {f"P{n}": self._conv(f"down{n}", strides=2) for n in strided}
        for n in self.numbers:
            self.laterals[f"P{n}"].build((None, None, None, input_shape[f"C{n}"][-1]))
        for conv in (*self.convs.values(), *self.downs.values()):
            conv.build((None, None, None, self.filters))

    def call(self, levels, training=None):
        own = {n: self.laterals[f"P{n}"](levels[f"C{n}"], training=training) for n in self.numbers}
        merged, outputs = None, {}
        for n in self.numbers:
            shallower = [] if merged is None else [self._down(n, merged, training)]
            deeper = [twice_as_large(own[n + 1], own[n])] if self.deeper and n + 1 in own else []
            merged = sum([*shallower, *deeper], own[n])
            outputs[f"P{n}"] = self.convs[f"P{n}"](merged, training=training)
        outputs[f"P{n + 1}"] = outputs[f"P{n}"][:, ::2, ::2]
        return outputs

    def _down(self, n, x, training):
        if self.downsample == "conv":
            return self.downs[f"P{n}"](x, training=training)
        return tf.nn.max_pool2d(x, 2, 2, "SAME")

    def get_config(self):
        return {
            **super().get_config(),
            "filters": self.filters,
            "norm": self.norm,
            "deeper": self.deeper,
            "downsample": self.downsample,
        }
