"""Panoptic FPN's semantic head."""

import itertools

import gin
import keras
import tensorflow as tf

from panet_tf.heads.stuff import logits_layer, pick_levels, resize_like
from panet_tf.layers.conv_block import ConvBlock


@gin.register(module="panet_tf")
@keras.saving.register_keras_serializable("panet_tf")
class PanopticFPNHead(keras.layers.Layer):
    """Classes of pixels from the sum of all levels of a pyramid (Panoptic FPN, section 3 and figure 3).

    Each level is brought to stride 4 in stages of a 3x3 convolution, norm, ReLU and a doubling of its size; the finest
    one has one stage without the doubling. The levels are added up, and a 1x1 convolution predicts.

    Args:
        num_classes: int, C. Panoptic FPN's are all stuff classes and one for all things.
        levels: tuple of the levels' numbers, fine to coarse. Defaults to (2, 3, 4, 5).
        filters: int, channels. Defaults to 128.
        norm: `None`, `"frozen_bn"`, `"batch"`, `"sync_bn"` or `"group"`. Defaults to `"group"`.
        upsample: `"bilinear"` or `"nearest"`. Defaults to `"bilinear"`.

    Input: dict of levels, `"P2"`.. or `"N2"`.., float (B, height / 2^n, width / 2^n, channels).
    Output: logits, float32 (B, h, w, num_classes), of the finest level's size.

    Raises:
        ValueError: for an unknown option, or a level that is not among the inputs.

    Example:
        >>> logits = PanopticFPNHead(num_classes=54)(FPN()(backbone(images)))

    Source: Kirillov et al., "Panoptic Feature Pyramid Networks"; detectron2, `semantic_seg.py`, `SemSegFPNHead`.
    """

    def __init__(self, *, num_classes, levels=(2, 3, 4, 5), filters=128, norm="group", upsample="bilinear", **kwargs):
        super().__init__(**kwargs)
        if upsample not in ("bilinear", "nearest"):
            raise ValueError(f'upsample must be "bilinear" or "nearest", received {upsample!r}.')
        if tuple(levels) != tuple(range(levels[0], levels[0] + len(levels))):
            raise ValueError(f"levels must be consecutive, fine to coarse, received {tuple(levels)}.")
        self.num_classes = num_classes
        self.levels = tuple(levels)
        self.filters = filters
        self.norm = norm
        self.upsample = upsample
        self.convs = [  # flat: Keras saves no lists in lists
            ConvBlock(filters=filters, norm=norm, name=f"level{n}_conv{i}", dtype=self.dtype_policy)
            for n in self.levels
            for i in range(1, self._stages(n) + 1)
        ]
        self.predictor = logits_layer(num_classes, self.dtype_policy)

    def _stages(self, level):
        return max(level - self.levels[0], 1)

    def build(self, input_shape):
        convs = iter(self.convs)
        for n, shape in zip(self.levels, pick_levels(input_shape, self.levels)):
            channels = shape[-1]
            for conv in itertools.islice(convs, self._stages(n)):
                if not conv.built:
                    conv.build((None, None, None, channels))
                channels = self.filters
        if not self.predictor.built:
            self.predictor.build((None, None, None, self.filters))

    def call(self, levels, training=None):
        maps = dict(zip(self.levels, pick_levels(levels, self.levels)))
        total, convs = None, iter(self.convs)
        for n, x in maps.items():
            for i, conv in enumerate(itertools.islice(convs, self._stages(n)), start=1):
                x = conv(x, training=training)
                if n > self.levels[0]:
                    x = resize_like(x, maps[n - i], self.upsample)
            total = x if total is None else total + x
        return tf.cast(self.predictor(total), tf.float32)

    def get_config(self):
        return {
            **super().get_config(),
            "num_classes": self.num_classes,
            "levels": self.levels,
            "filters": self.filters,
            "norm": self.norm,
            "upsample": self.upsample,
        }
