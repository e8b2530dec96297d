"""Features of regions of interest from the one level that fits each region's size."""

import gin
import keras
import tensorflow as tf

from panet_tf.ops.fpn_level import fpn_level, level_stride
from panet_tf.ops.roi_align import roi_align_levels
from panet_tf.ops.roi_pool import roi_pool_levels, roi_warp_levels

# Functions by their names in the tables, and the options that each takes.
_OPERATORS = {
    "align": (roi_align_levels, ("samples", "aligned", "pooling")),
    "pool": (roi_pool_levels, ()),
    "warp": (roi_warp_levels, ("samples", "pooling")),
}


@gin.register(module="panet_tf")
@keras.saving.register_keras_serializable("panet_tf")
class FPNLevelPooling(keras.layers.Layer):
    """RoIAlign of every region on one level of a pyramid, chosen by the region's size (FPN, section 4.2).

    Where there is one level alone, as in C4 models, from that. RoIPool and RoIWarp, which round regions to cells, stand
    beside it for comparison (Mask R-CNN, Tables 2c, 2d and 6).

    Args:
        output_size: int, cells a side. Defaults to 7, the box head's; the mask head has 14.
        samples: int, sampling points a side of each cell; 0 is adaptive. Defaults to 2.
        aligned: bool, whether coordinates are shifted by half a cell, as cells' centres are. Defaults to True;
            Detectron's and PANet's weights want False.
        canonical_size: side in pixels of a square region that belongs to `canonical_level`. Defaults to 224.
        canonical_level: int. Defaults to 4.
        max_level: int, the coarsest level to pool from. Defaults to 5: level 6 serves proposals only.
        inclusive: bool, whether regions end one pixel earlier at the bottom and right. Detectron's and PANet's boxes
            name the last pixel that they hold, and their RoIAlign goes from number to number. Defaults to False.
        level_epsilon, ratio_epsilon: as in `panet_tf.ops.fpn_level.fpn_level`. Default to 1e-6 and 0.
        operator: `"align"`, RoIAlign; `"pool"`, RoIPool, the greatest cell of each bin, to which `samples`, `aligned`
            and `pooling` say nothing; `"warp"`, RoIWarp, to which `aligned` says nothing. Defaults to `"align"`.
        pooling: `"average"` or `"max"` of a cell's sampling points. Defaults to `"average"`.
        with_levels: bool, whether the level of each region comes along, for heads with weights of their own on each
            level (`SeparateBoxHeads`). Defaults to False.

    Call arguments:
        levels: dict of levels fine to coarse, `"P2"`.. or `"N2"`.., float (B, H / 2^n, W / 2^n, C).
        rois: float32 (B, R, 4), yxyx in network pixels.

    Output: tuple of one tensor, (B, R, output_size, output_size, C), in the levels' dtype. A tuple, because heads take
        as many features of a region as a pooling layer gives them (`AdaptivePooling` gives one a level). With
        `with_levels` there is a second one, (B, R, 1, 1, 1): 0 for regions of the finest level, 1 for the next ...

    Raises:
        ValueError: if no level is left below `max_level`, or one is missing between them; for an unknown operator or
            pooling.

    Example:
        >>> (features,) = FPNLevelPooling(output_size=14)(levels, rois)
    """

    def __init__(
        self,
        *,
        output_size=7,
        samples=2,
        aligned=True,
        canonical_size=224,
        canonical_level=4,
        max_level=5,
        inclusive=False,
        level_epsilon=1e-6,
        ratio_epsilon=0.0,
        operator="align",
        pooling="average",
        with_levels=False,
        **kwargs,
    ):
        super().__init__(autocast=False, **kwargs)  # regions stay in float32, whatever the levels are
        self.output_size = output_size
        self.samples = samples
        self.aligned = aligned
        self.canonical_size = canonical_size
        self.canonical_level = canonical_level
        self.max_level = max_level
        self.inclusive = inclusive
        self.level_epsilon = level_epsilon
        self.ratio_epsilon = ratio_epsilon
        self.operator = operator
        self.pooling = pooling
        self.with_levels = with_levels
        if operator not in _OPERATORS:
            raise ValueError(f"operator must be one of {tuple(_OPERATORS)}, received {operator!r}.")
        if pooling not in ("average", "max") or (pooling == "max" and not samples):
            raise ValueError(
                f'pooling must be "average", or "max" of a fixed number of samples, received {pooling!r} of {samples}.'
            )

    def call(self, levels, rois):
        pooled = pooled_levels(levels, self.max_level)
        numbers = [level_number(name) for name in pooled]
        if numbers != list(range(numbers[0], numbers[-1] + 1)):
            raise ValueError(f"regions are spread over consecutive levels, received {tuple(pooled)}.")
        level = fpn_level(
            rois,
            min_level=numbers[0],
            max_level=numbers[-1],
            canonical_size=self.canonical_size,
            canonical_level=self.canonical_level,
            level_epsilon=self.level_epsilon,
            ratio_epsilon=self.ratio_epsilon,
        )
        options = {"samples": self.samples, "aligned": self.aligned, "pooling": self.pooling}
        features = _OPERATORS[self.operator][0](
            pooled,
            to_last_pixels(rois) if self.inclusive else rois,
            level - numbers[0],
            output_size=self.output_size,
            **{name: options[name] for name in _OPERATORS[self.operator][1]},
        )
        if not self.with_levels:
            return (features,)
        return features, tf.cast(level - numbers[0], features.dtype)[..., None, None, None]

    def get_config(self):
        return {
            **super().get_config(),
            "output_size": self.output_size,
            "samples": self.samples,
            "aligned": self.aligned,
            "canonical_size": self.canonical_size,
            "canonical_level": self.canonical_level,
            "max_level": self.max_level,
            "inclusive": self.inclusive,
            "level_epsilon": self.level_epsilon,
            "ratio_epsilon": self.ratio_epsilon,
            "operator": self.operator,
            "pooling": self.pooling,
            "with_levels": self.with_levels,
        }


def to_last_pixels(rois):
    """Regions (..., 4), yxyx, whose bottom and right are those of the first pixel outside, less that pixel."""
    return rois - tf.constant((0.0, 0.0, 1.0, 1.0))


def level_number(name):
    """2 of `"P2"`: the binary logarithm of its stride."""
    return level_stride(name).bit_length() - 1


def pooled_levels(levels, max_level):
    """The levels that regions are pooled from, fine to coarse.

    Args:
        levels: dict from names to tensors.
        max_level: int, the coarsest one taken.

    Returns:
        dict, in order of levels.

    Raises:
        ValueError: if nothing is left.
    """
    names = sorted((name for name in levels if level_number(name) <= max_level), key=level_number)
    if not names:
        raise ValueError(f"levels must hold at least one up to level {max_level}, received {tuple(levels)}.")
    return {name: levels[name] for name in names}
