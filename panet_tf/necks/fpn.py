"""Feature pyramid network."""

import gin
import keras
import tensorflow as tf

from panet_tf.layers.conv_block import ConvBlock
from panet_tf.layers.norms import check_norm
from panet_tf.necks.resizing import cut_to_size, twice_as_large


@gin.register(module="panet_tf")
@keras.saving.register_keras_serializable("panet_tf")
class FPN(keras.layers.Layer):
    """Semantic features at every resolution, by a top-down path with lateral connections (FPN, section 3).

    Each level is a 1x1 convolution of the backbone's level plus the upsampled coarser one, then a 3x3 convolution;
    nothing is rectified. Levels of images that are no multiples of the strides are ceil-sized, and fit.

    Args:
        filters: int, channels of every level. Defaults to 256.
        norm: `None`, `"frozen_bn"`, `"batch"`, `"sync_bn"` or `"group"`, after each convolution. Defaults to `None`.
        use_bias: bool, of the convolutions. Defaults to True without a norm, False with one.
        top_down: bool. Without it each level is made from its own backbone level alone (the thesis's Table 4.1 d).
            Defaults to True.
        lateral: bool. Without it levels are made from the coarsest one alone (Table 4.1 e). Defaults to True.
        fusion: `"sum"` or `"average"` of the lateral and the upsampled level. Defaults to `"sum"`.
        upsample: `"nearest"` or `"bilinear"`. Defaults to `"nearest"`.
        outputs: names of the levels to return. Those that no other one needs are not computed, and those beyond the
            backbone's coarsest are extra. Defaults to P2 to P6; RetinaNet has P3 to P7, Table 4.1 f only P2.
        extra_levels: what extra levels are made from: `"subsample"`, every second cell of the level below (FPN, section
            4.1); or strided 3x3 convolutions, the first one of the coarsest backbone level, `"c5"` (RetinaNet, section
            4), or of its pyramid level, `"p5"` (torchvision), the next ones of the rectified level below. Defaults to
            `"subsample"`.

    Input: dict of `"C2"`.. `"C5"` (any consecutive levels), float (batch, height / 2^n, width / 2^n, channels).
    Output: dict of `outputs`, float (batch, ceil(height / 2^n), ceil(width / 2^n), filters).

    Raises:
        ValueError: for an unknown option, or when a level of `outputs` cannot be made.

    Example:
        >>> levels = FPN(filters=256)(backbone(images))
    """

    def __init__(
        self,
        *,
        filters=256,
        norm=None,
        use_bias=None,
        top_down=True,
        lateral=True,
        fusion="sum",
        upsample="nearest",
        outputs=("P2", "P3", "P4", "P5", "P6"),
        extra_levels="subsample",
        **kwargs,
    ):
        super().__init__(**kwargs)
        check_norm(norm)
        _check_choice("fusion", fusion, ("sum", "average"))
        _check_choice("upsample", upsample, ("nearest", "bilinear"))
        _check_choice("extra_levels", extra_levels, ("subsample", "c5", "p5"))
        if not (top_down or lateral):
            raise ValueError("one of top_down and lateral must be True: without both, levels are made from nothing.")
        self.filters = filters
        self.norm = norm
        self.use_bias = norm is None if use_bias is None else use_bias
        self.top_down = top_down
        self.lateral = lateral
        self.fusion = fusion
        self.upsample = upsample
        self.outputs = tuple(outputs)
        self.extra_levels = extra_levels

    def build(self, input_shape):
        if self.built:  # parts are made here: building again would leave the first ones' weights behind
            return
        numbers = sorted(int(name[1:]) for name in input_shape)
        wanted = sorted(int(name[1:]) for name in self.outputs)
        self.coarsest = numbers[-1]
        self.inner = [n for n in numbers if n >= wanted[0] or n == self.coarsest]
        self.extra = list(range(self.coarsest + 1, wanted[-1] + 1))
        if self.inner != list(range(self.inner[0], self.coarsest + 1)) or not set(wanted) <= {*self.inner, *self.extra}:
            raise ValueError(
                f"outputs must be levels from the backbone's finest up, which must be consecutive, received "
                f"{self.outputs} for {tuple(input_shape)}."
            )
        made = [n for n in self.inner if n in wanted or (n == self.coarsest and self._extra_need_it)]
        sources = self.inner if self.lateral else [self.coarsest]
        self.laterals = {f"P{n}": self._conv(f"lateral{n}", kernel_size=1) for n in sources}
        self.convs = {f"P{n}": self._conv(f"output{n}") for n in made}
        strided = self.extra if self.extra_levels != "subsample" else []
        self.extra_convs = {f"P{n}": self._conv(f"extra{n}", strides=2) for n in strided}
        for n in sources:
            self.laterals[f"P{n}"].build((None, None, None, input_shape[f"C{n}"][-1]))
        for conv in self.convs.values():
            conv.build((None, None, None, self.filters))
        for n in strided:
            from_backbone = self.extra_levels == "c5" and n == strided[0]
            channels = input_shape[f"C{n - 1}"][-1] if from_backbone else self.filters
            self.extra_convs[f"P{n}"].build((None, None, None, channels))

    @property
    def _extra_need_it(self):
        """Whether extra levels start from the coarsest pyramid level."""
        return bool(self.extra) and self.extra_levels != "c5"

    def _conv(self, name, kernel_size=3, strides=1):
        return ConvBlock(
            filters=self.filters,
            kernel_size=kernel_size,
            strides=strides,
            norm=self.norm,
            activation=None,
            use_bias=self.use_bias,
            kernel_initializer="lecun_uniform",  # uniform within sqrt(3 / fan in): Caffe2's XavierFill
            name=name,
            dtype=self.dtype_policy,
        )

    def call(self, levels, training=None):
        merged = {}
        for n in reversed(self.inner):
            own = self.laterals[f"P{n}"](levels[f"C{n}"], training=training) if f"P{n}" in self.laterals else None
            if n == self.coarsest or not self.top_down:
                merged[n] = own
                continue
            above = self._upsample(merged[n + 1], levels[f"C{n}"])
            merged[n] = above if own is None else own + above
            if own is not None and self.fusion == "average":
                merged[n] = 0.5 * merged[n]
        outputs = {name: conv(merged[int(name[1:])], training=training) for name, conv in self.convs.items()}
        for n in self.extra:
            outputs[f"P{n}"] = self._extra(n, outputs, levels, training)
        return {name: outputs[name] for name in sorted(self.outputs, key=lambda name: int(name[1:]))}

    def _extra(self, n, outputs, levels, training):
        below = outputs.get(f"P{n - 1}")
        if self.extra_levels == "subsample":
            return below[:, ::2, ::2]
        if n > self.extra[0]:
            below = tf.nn.relu(below)
        elif self.extra_levels == "c5":
            below = levels[f"C{n - 1}"]
        return self.extra_convs[f"P{n}"](below, training=training)

    def _upsample(self, x, like):
        """`x` at twice its size, cell i under cells 2i and 2i + 1; less the last row or column where `like` is odd."""
        if self.upsample == "nearest":
            return twice_as_large(x, like)
        sizes = zip(x.shape[1:3], tf.unstack(tf.shape(x)[1:3]))
        doubled = [2 * (dynamic if static is None else static) for static, dynamic in sizes]
        return cut_to_size(tf.cast(tf.image.resize(x, doubled, method="bilinear"), x.dtype), like)

    def get_config(self):
        return {
            **super().get_config(),
            "filters": self.filters,
            "norm": self.norm,
            "use_bias": self.use_bias,
            "top_down": self.top_down,
            "lateral": self.lateral,
            "fusion": self.fusion,
            "upsample": self.upsample,
            "outputs": self.outputs,
            "extra_levels": self.extra_levels,
        }


def _check_choice(name, value, choices):
    if value not in choices:
        raise ValueError(f"{name} must be one of {choices}, received {value!r}.")
