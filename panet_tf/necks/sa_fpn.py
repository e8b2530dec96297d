"""Scale aware feature pyramid network."""

import gin
import keras
import tensorflow as tf

from panet_tf.layers.conv_block import ConvBlock
from panet_tf.necks.bottom_up import BottomUp, levels_of
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
        outputs: names of the levels to return, or `None` for all of the backbone's and one coarser. Levels of the
            backbone that are left out still feed the bottom-up pyramid. Defaults to `None`; a RetinaNet has P3 to P7.
        extra_levels: what levels beyond the backbone's coarsest are made from: `"subsample"`, every second cell of the
            merged level below; or `"c5"`, strided 3x3 convolutions from the backbone's coarsest level, as in `FPN`.
            Defaults to `"subsample"`.

    Input: dict of `"C2"`.. `"C5"` (any consecutive levels), float (batch, height / 2^n, width / 2^n, channels).
    Output: dict of `outputs`, by default `"P2"`.. `"P6"`, float (batch, ceil(height / 2^n), ceil(width / 2^n),
        filters).

    Raises:
        ValueError: for an unknown option, levels that do not follow each other, or when a level of `outputs` cannot be
            made.

    Example:
        >>> levels = SAFPN()(backbone(images))
    """

    def __init__(
        self,
        *,
        filters=256,
        norm=None,
        fusion="concat",
        deeper=True,
        downsample="conv",
        outputs=None,
        extra_levels="subsample",
        **kwargs,
    ):
        super().__init__(**kwargs)
        if fusion not in ("concat", "add"):
            raise ValueError(f'fusion must be "concat" or "add", received {fusion!r}.')
        if extra_levels not in ("subsample", "c5"):
            raise ValueError(f'extra_levels must be "subsample" or "c5", received {extra_levels!r}.')
        self.filters = filters
        self.norm = norm
        self.fusion = fusion
        self.deeper = deeper
        self.downsample = downsample
        self.outputs = None if outputs is None else tuple(outputs)
        self.extra_levels = extra_levels

    def build(self, input_shape):
        if self.built:  # parts are made here: building again would leave the first ones' weights behind
            return
        kwargs = {"filters": self.filters, "norm": self.norm, "dtype": self.dtype_policy}
        inner, wanted, extra = levels_of(input_shape, self.outputs)
        self.wanted, self.extra = [f"P{n}" for n in wanted], [f"P{n}" for n in extra]
        strided = self.extra_levels == "c5"
        # The coarsest level is also what subsampling begins with.
        merged = [f"P{n}" for n in inner if n in wanted or (extra and not strided and n == inner[-1])]
        self.top_down = FPN(
            outputs=[*merged, *self.extra] if strided else merged,
            extra_levels=self.extra_levels,
            name="top_down",
            **kwargs,
        )
        self.bottom_up = BottomUp(
            deeper=self.deeper, downsample=self.downsample, outputs=merged, name="bottom_up", **kwargs
        )
        for path in (self.top_down, self.bottom_up):
            path.build(input_shape)
        self.reductions = {}
        if self.fusion == "concat":
            for name in merged:
                self.reductions[name] = ConvBlock(
                    kernel_size=1,
                    activation=None,
                    kernel_initializer="lecun_uniform",
                    name=f"reduce{name[1:]}",
                    **kwargs,
                )
                self.reductions[name].build((None, None, None, 2 * self.filters))

    def call(self, levels, training=None):
        outputs = self.top_down(levels, training=training)
        for name, other in self.bottom_up(levels, training=training).items():
            if self.fusion == "add":
                outputs[name] = outputs[name] + other
            else:
                both = tf.concat([outputs[name], other], axis=-1)
                outputs[name] = self.reductions[name](both, training=training)
        if self.extra_levels == "subsample":
            for name in self.extra:
                outputs[name] = outputs[f"P{int(name[1:]) - 1}"][:, ::2, ::2]
        return {name: outputs[name] for name in self.wanted}

    def get_config(self):
        return {
            **super().get_config(),
            "filters": self.filters,
            "norm": self.norm,
            "fusion": self.fusion,
            "deeper": self.deeper,
            "downsample": self.downsample,
            "outputs": self.outputs,
            "extra_levels": self.extra_levels,
        }
