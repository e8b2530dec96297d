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
        outputs: names of the levels to return, or `None` for all of the backbone's and one coarser; those beyond the
            backbone's are every second cell of the level below. All of the backbone's feed the path. Defaults to
            `None`.

    Input: dict of `"C2"`.. `"C5"` (any consecutive levels), float (batch, height / 2^n, width / 2^n, channels).
    Output: dict of `outputs`, by default `"P2"`.. `"P6"`, float (batch, ceil(height / 2^n), ceil(width / 2^n),
        filters).

    Raises:
        ValueError: for an unknown option, levels that do not follow each other, or when a level of `outputs` cannot be
            made.

    Example:
        >>> levels = BottomUp(deeper=False)(backbone(images))
    """

    def __init__(self, *, filters=256, norm=None, deeper=True, downsample="conv", outputs=None, **kwargs):
        super().__init__(**kwargs)
        check_norm(norm)
        if downsample not in ("conv", "max"):
            raise ValueError(f'downsample must be "conv" or "max", received {downsample!r}.')
        self.filters = filters
        self.norm = norm
        self.deeper = deeper
        self.downsample = downsample
        self.outputs = None if outputs is None else tuple(outputs)

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
        self.numbers, self.wanted, self.extra = levels_of(input_shape, self.outputs)
        self.laterals = {f"P{n}": self._conv(f"lateral{n}", kernel_size=1) for n in self.numbers}
        made = [n for n in self.numbers if n in self.wanted or (self.extra and n == self.numbers[-1])]
        self.convs = {f"P{n}": self._conv(f"output{n}") for n in made}
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
            if f"P{n}" in self.convs:
                outputs[f"P{n}"] = self.convs[f"P{n}"](merged, training=training)
        for n in self.extra:
            outputs[f"P{n}"] = outputs[f"P{n - 1}"][:, ::2, ::2]
        return {f"P{n}": outputs[f"P{n}"] for n in self.wanted}

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
            "outputs": self.outputs,
        }


def levels_of(backbone, outputs):
    """Which levels a pyramid over all of a backbone's levels has.

    Args:
        backbone: names of the backbone's levels, `"C2"`.. .
        outputs: names of the levels that are asked for, or `None` for all of the backbone's and one coarser.

    Returns:
        Three lists of int, fine to coarse: the backbone's levels, those asked for, and the extra ones beyond the
        backbone's coarsest up to the coarsest asked for.

    Raises:
        ValueError: if the backbone's levels do not follow each other, or one is asked for below its finest.
    """
    numbers = sorted(int(name[1:]) for name in backbone)
    if numbers != list(range(numbers[0], numbers[-1] + 1)):
        raise ValueError(f"levels must follow each other, received {tuple(backbone)}.")
    wanted = [*numbers, numbers[-1] + 1] if outputs is None else sorted(int(name[1:]) for name in outputs)
    if not wanted or wanted[0] < numbers[0]:
        raise ValueError(
            f"outputs must be levels from the backbone's finest up, received {outputs} for {tuple(backbone)}."
        )
    return numbers, wanted, list(range(numbers[-1] + 1, wanted[-1] + 1))
