"""Anchors of a feature pyramid as a layer without weights."""

import gin
import keras
import tensorflow as tf

from panet_tf.ops.anchors import anchors, check_rounding


@gin.register(module="panet_tf")
@keras.saving.register_keras_serializable("panet_tf")
class AnchorGenerator(keras.layers.Layer):
    """Boxes of several sizes and shapes centred on every cell of every level.

    Source: Faster R-CNN, section 3.1.1; FPN, section 4.1.

    Args:
        sizes: one entry a level, fine to coarse: the side in pixels of its square anchor, or a tuple of sides. Defaults
            to FPN's (32, 64, 128, 256, 512) on levels 2 to 6.
        ratios: heights over widths. Defaults to (0.5, 1, 2).
        scales_per_octave: int, anchors at every level of sides size * 2^(i / scales_per_octave). Defaults to 1;
            RetinaNet has 3.
        offset: place of the anchor's centre in its cell, in cells. Defaults to 0.5, the middle; torchvision's and
            detectron2's weights want 0.
        rounding: False; True or `"size"`: sides are rounded to whole pixels, as torchvision does; `"stride"`: sides of
            anchors of one stride are, before they are scaled to the size, as Detectron and PANet's release do.
            Defaults to False.
        stride: `"level"`, 2^n pixels from cell to cell; or `"ratio"`, the padded image's side // the level's, as
            torchvision has it, which is less where a level is ceil-sized. Defaults to `"level"`.

    Call arguments:
        levels: dict of levels, float (batch, height / 2^n, width / 2^n, channels).
        image_size: height and width of the padded images, ints or scalar tensors; for `"ratio"` only.

    Output: dict of float32 (cells * `num_anchors`, 4), yxyx in network pixels, row by row, sizes before ratios.

    Raises:
        ValueError: for an unknown stride or rounding, for sizes that do not fit each other or the levels, or if
            `"ratio"` is called without the images' size.

    Example:
        >>> anchors = AnchorGenerator(sizes=(8, 16, 32, 64, 128))(levels)
    """

    def __init__(
        self,
        *,
        sizes=(32, 64, 128, 256, 512),
        ratios=(0.5, 1.0, 2.0),
        scales_per_octave=1,
        offset=0.5,
        rounding=False,
        stride="level",
        **kwargs,
    ):
        super().__init__(autocast=False, **kwargs)
        self.sizes = tuple(tuple(size) if isinstance(size, (list, tuple)) else size for size in sizes)
        self.ratios = tuple(ratios)
        self.scales_per_octave = scales_per_octave
        self.offset = offset
        self.rounding = rounding
        self.stride = stride
        check_rounding(rounding)
        if stride not in ("level", "ratio"):
            raise ValueError(f'stride must be "level" or "ratio", received {stride!r}.')
        counts = {len(size) if isinstance(size, tuple) else 1 for size in self.sizes}
        if len(counts) != 1:
            raise ValueError(f"every level must have as many anchor sizes as the others, received {self.sizes}.")
        self.num_anchors = counts.pop() * len(self.ratios) * scales_per_octave

    def call(self, levels, image_size=None):
        if len(levels) != len(self.sizes):
            raise ValueError(f"sizes must have one entry a level, received {self.sizes} for levels {tuple(levels)}.")
        cells = {level: spatial_size(features) for level, features in levels.items()}
        strides = None
        if self.stride == "ratio":
            if image_size is None:
                raise ValueError('stride="ratio" needs image_size, the height and width of the padded images.')
            strides = {name: tuple(side // n for side, n in zip(image_size, size)) for name, size in cells.items()}
        return anchors(
            cells,
            sizes=dict(zip(levels, self.sizes)),
            ratios=self.ratios,
            scales_per_octave=self.scales_per_octave,
            offset=self.offset,
            rounding=self.rounding,
            strides=strides,
        )

    def get_config(self):
        return {
            **super().get_config(),
            "sizes": self.sizes,
            "ratios": self.ratios,
            "scales_per_octave": self.scales_per_octave,
            "offset": self.offset,
            "rounding": self.rounding,
            "stride": self.stride,
        }


def spatial_size(features):
    """Height and width of features or images: integers where the graph knows both, tensors where it does not."""
    sides = keras.ops.shape(features)[1:3]
    if any(tf.is_tensor(side) for side in sides):
        # Canvases that differ on one side only, as (512, 512) and (512, 704), leave the other one known: Keras refuses
        # to be called with one of each.
        sides = [tf.convert_to_tensor(side, tf.int32) for side in sides]
    return tuple(sides)
