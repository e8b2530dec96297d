"""Adaptive feature pooling: features of every region from every level."""

import gin
import keras

from panet_tf.layers.roi_pooling import pooled_levels, to_last_pixels
from panet_tf.ops.fpn_level import level_stride
from panet_tf.ops.roi_align import roi_align


@gin.register(module="panet_tf")
@keras.saving.register_keras_serializable("panet_tf")
class AdaptivePooling(keras.layers.Layer):
    """RoIAlign of every region on all levels of a pyramid (PANet, section 3.2).

    The features of the levels are not fused here but in the head, after its first layer, of which each level has its
    own: the paper finds that fusing them at once gives nothing (Table 4).

    Args:
        output_size: int, cells a side. Defaults to 7, the box head's; the mask head has 14.
        samples: int, sampling points a side of each cell; 0 is adaptive. Defaults to 2.
        aligned: bool, whether coordinates are shifted by half a cell, as cells' centres are. Defaults to True; the
            weights of the authors' release want False.
        max_level: int, the coarsest level to pool from. Defaults to 5: level 6 serves proposals only.
        inclusive: bool, whether regions end one pixel earlier at the bottom and right, as in the release, whose
            boxes name the last pixel that they hold. Defaults to False.

    Call arguments:
        levels: dict of levels fine to coarse, `"N2"`.., float (B, H / 2^n, W / 2^n, C).
        rois: float32 (B, R, 4), yxyx in network pixels.

    Output: tuple of a tensor a level, fine to coarse, (B, R, output_size, output_size, C), in the levels' dtype.

    Raises:
        ValueError: if no level is left below `max_level`.

    Example:
        >>> of_n2, of_n3, of_n4, of_n5 = AdaptivePooling(output_size=7)(levels, rois)
    """

    def __init__(self, *, output_size=7, samples=2, aligned=True, max_level=5, inclusive=False, **kwargs):
        super().__init__(autocast=False, **kwargs)  # regions stay in float32, whatever the levels are
        self.output_size = output_size
        self.samples = samples
        self.aligned = aligned
        self.max_level = max_level
        self.inclusive = inclusive

    def call(self, levels, rois):
        if self.inclusive:
            rois = to_last_pixels(rois)
        return tuple(
            roi_align(
                features,
                rois,
                stride=level_stride(name),
                output_size=self.output_size,
                samples=self.samples,
                aligned=self.aligned,
            )
            for name, features in pooled_levels(levels, self.max_level).items()
        )

    def get_config(self):
        return {
            **super().get_config(),
            "output_size": self.output_size,
            "samples": self.samples,
            "aligned": self.aligned,
            "max_level": self.max_level,
            "inclusive": self.inclusive,
        }
