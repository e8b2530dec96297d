"""OANet's semantic head over a pyramid."""

import gin
import keras
import tensorflow as tf

from panet_tf.layers.conv_block import ConvBlock


@gin.register(module="panet_tf")
@keras.saving.register_keras_serializable("panet_tf")
class StuffHead(keras.layers.Layer):
    """Classes of pixels from the levels that the region proposals come from (OANet, section 3.1 and figure 3).

    Two 3x3 convolutions on each level, with weights of its own; all levels brought to the size of the finest one and
    concatenated; a 3x3 convolution; a 1x1 convolution that predicts. The paper gives neither widths nor norm nor the
    way and the size of upsampling; the defaults are those of Panoptic FPN's head: 128 channels, group norm, bilinear,
    stride 4.

    Args:
        num_classes: int, C, without a class for what is ignored.
        levels: tuple of the levels' numbers, fine to coarse. Defaults to (2, 3, 4, 5); a sixth adds no detail.
        filters: int, channels of the convolutions on the levels. Defaults to 128.
        fused_filters: int, channels of the convolution after them. Defaults to 256.
        num_convs: int, convolutions on each level. Defaults to 2.
        norm: `None`, `"frozen_bn"`, `"batch"`, `"sync_bn"` or `"group"`, after each convolution but the last. Defaults
            to `"group"`.
        upsample: `"bilinear"` or `"nearest"`. Defaults to `"bilinear"`.

    Input: dict of levels, `"P2"`.. or `"N2"`.., float (B, height / 2^n, width / 2^n, channels).
    Output: logits, float32 (B, h, w, num_classes), of the finest level's size.

    Raises:
        ValueError: for an unknown option, or a level that is not among the inputs.

    Example:
        >>> logits = StuffHead(num_classes=133)(FPN()(backbone(images)))
    """

    def __init__(
        self,
        *,
        num_classes,
        levels=(2, 3, 4, 5),
        filters=128,
        fused_filters=256,
        num_convs=2,
        norm="group",
        upsample="bilinear",
        **kwargs,
    ):
        super().__init__(**kwargs)
        if upsample not in ("bilinear", "nearest"):
            raise ValueError(f'upsample must be "bilinear" or "nearest", received {upsample!r}.')
        if num_convs < 1 or not levels:
            raise ValueError(f"a level at least and a convolution on it, received {levels} and num_convs={num_convs}.")
        self.num_classes = num_classes
        self.levels = tuple(levels)
        self.filters = filters
        self.fused_filters = fused_filters
        self.num_convs = num_convs
        self.norm = norm
        self.upsample = upsample
        self.convs = [  # flat: Keras saves no lists in lists
            self._conv(f"level{n}_conv{i}", filters) for n in self.levels for i in range(1, num_convs + 1)
        ]
        self.fused = self._conv("fused", fused_filters)
        self.predictor = logits_layer(num_classes, self.dtype_policy)

    def _conv(self, name, filters):
        return ConvBlock(filters=filters, norm=self.norm, name=name, dtype=self.dtype_policy)

    def build(self, input_shape):
        for i, shape in enumerate(pick_levels(input_shape, self.levels)):
            channels = shape[-1]
            for conv in self._convs_of(i):
                if not conv.built:
                    conv.build((None, None, None, channels))
                channels = self.filters
        for layer, channels in ((self.fused, len(self.levels) * self.filters), (self.predictor, self.fused_filters)):
            if not layer.built:
                layer.build((None, None, None, channels))

    def _convs_of(self, level):
        return self.convs[level * self.num_convs : (level + 1) * self.num_convs]

    def call(self, levels, training=None):
        maps = []
        for i, x in enumerate(pick_levels(levels, self.levels)):
            for conv in self._convs_of(i):
                x = conv(x, training=training)
            maps.append(resize_like(x, maps[0], self.upsample) if maps else x)
        x = self.fused(tf.concat(maps, axis=-1), training=training)
        return tf.cast(self.predictor(x), tf.float32)

    def get_config(self):
        return {
            **super().get_config(),
            "num_classes": self.num_classes,
            "levels": self.levels,
            "filters": self.filters,
            "fused_filters": self.fused_filters,
            "num_convs": self.num_convs,
            "norm": self.norm,
            "upsample": self.upsample,
        }


def pick_levels(levels, numbers):
    """Entries of a dict of levels (`"P2"`, `"N2"`, ...) by their numbers, as a list.

    Raises:
        ValueError: if one is not there.
    """
    by_number = {int(name[1:]): value for name, value in levels.items()}
    missing = [number for number in numbers if number not in by_number]
    if missing:
        raise ValueError(f"levels must have the numbers {tuple(numbers)}, received {tuple(levels)}.")
    return [by_number[number] for number in numbers]


def resize_like(x, like, method):
    """`x` (B, h, w, C) at the height and width of `like`, in its own dtype."""
    size = [static or dynamic for static, dynamic in zip(like.shape[1:3], tf.unstack(tf.shape(like)[1:3]))]
    if method == "nearest":
        # Repeated and not resized: XLA has no gradient of resizing to the nearest.
        for axis in (1, 2):
            factor = -(-like.shape[axis] // x.shape[axis]) if like.shape[axis] else size[axis - 1] // tf.shape(x)[axis]
            x = tf.repeat(x, factor, axis=axis)
        x = x[:, : size[0], : size[1]]
    else:
        x = tf.cast(tf.image.resize(x, size), x.dtype)
    return tf.ensure_shape(x, (None, *like.shape[1:3], None))


def logits_layer(num_classes, dtype):
    """The last 1x1 convolution of a semantic head."""
    return keras.layers.Conv2D(
        num_classes,
        1,
        kernel_initializer=keras.initializers.RandomNormal(stddev=0.01),
        name="logits",
        dtype=dtype,
    )
