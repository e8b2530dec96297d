"""Scale aware feature pyramid network."""

import gin
import keras
import tensorflow as tf

from panet_tf.layers.conv_block import ConvBlock
from panet_tf.necks.bottom_up import BottomUp
from panet_tf.necks.fpn import FPN


@gin.register(module="panet_tf")
@keras.saving.register_keras_serializable("panet_tf")
class SAFPN(keras.layers.Layer):
    """A top-down and a bottom-up pyramid of the same backbone, merged level by level (SA-FPN + EJ-Head, section 3.1).

    Args:
        filters: int, channels of every level. Defaults to 256.
        norm: `None`, `"frozen_bn"`, `"batch"`, `"sync_bn"` or `"group"`, after each convolution. Defaults to `None`.
        fusion: `"concat"`, both beside each other and a 1x1 convolution, or `"add"` (Table 3). Defaults to `"concat"`.
        deeper: bool, of the bottom-up pyramid: BUF-FPN or BU-FPN. Defaults to True, BUF-FPN.
        downsample: `"conv"` or `"max"`, as in `BottomUp`. Defaults to `"conv"`.

    Input: dict of `"C2"`.. `"C5"` (any consecutive levels), float (batch, height / 2^n, width / 2^n, channels).
    Output: dict of `"P2"`.. `"P5"`, float (batch, ceil(height / 2^n), ceil(width / 2^n), filters), and `"P6"`, every
        second cell of P5.

    Raises:
        ValueError: for an unknown option, or levels that do not follow each other.

    Example:
        >>> levels = SAFPN()(backbone(images))
    """

    def __init__(self, *, filters=256, norm=None, fusion="concat", deeper=True, downsample="conv", **kwargs):
        super().__init__(**kwargs)
        if fusion not in ("concat", "add"):
            raise ValueError(f'fusion must be "concat" or "add", received {fusion!r}.')
        self.filters = filters
        self.norm = norm
        self.fusion = fusion
        self.deeper = deeper
        self.downsample = downsample

    def build(self, input_shape):
        if self.built:  # parts are made here: building again would leave the first ones' weights behind
            return
        kwargs = {"filters": self.filters, "norm": self.norm, "dtype": self.dtype_policy}
        levels = [f"P{n}" for n in sorted(int(name[1:]) for name in input_shape)]
        self.top_down = FPN(outputs=levels, name="top_down", **kwargs)
        self.bottom_up = BottomUp(deeper=self.deeper, downsample=self.downsample, name="bottom_up", **kwargs)
        for path in (self.top_down, self.bottom_up):
            path.build(input_shape)
        self.reductions = {}
        if self.fusion == "concat":
            for name in levels:
                self.reductions[name] = ConvBlock(
                    kernel_size=1,
                    activation=None,
                    kernel_initializer="lecun_uniform",
                    name=f"reduce{name[1:]}",
                    **kwargs,
                )
                self.reductions[name].build((None, None, None, 2 * self.filters))

    def call(self, levels, training=None):
        down = self.top_down(levels, training=training)
        up = self.bottom_up(levels, training=training)
        outputs = {}
        for name, own in down.items():
            if self.fusion == "add":
                outputs[name] = own + up[name]
            else:
                outputs[name] = self.reductions[name](tf.concat([own, up[name]], axis=-1), training=training)
        outputs[f"P{int(name[1:]) + 1}"] = outputs[name][:, ::2, ::2]
        return outputs

    def get_config(self):
        return {
            **super().get_config(),
            "filters": self.filters,
            "norm": self.norm,
            "fusion": self.fusion,
            "deeper": self.deeper,
            "downsample": self.downsample,
        }
