"""Data sets that are part of the package."""

import gin

from panet_tf.data import embedded_paths
from panet_tf.data.coco_source import CocoSource


@gin.register(module="panet_tf")
def nuclei_mini(split="train", **kwargs):
    """Microscope images of cell nuclei, 256 x 256, with instance masks: real data that needs no download.

    From the 2018 Data Science Bowl (BBBC038, CC0) with corrected masks; origin in
    `panet_tf/data/nuclei_mini/README.md`.

    Args:
        split: `"train"` (60 images, 1,815 nuclei) or `"val"` (20 images, 505 nuclei). Defaults to `"train"`.
        **kwargs: further arguments of `CocoSource`, such as `part`, `cache`, `progress`.

    Returns:
        A `CocoSource`.

    Example:
        >>> nuclei_mini("val").categories
        ({'id': 1, 'name': 'nucleus', 'supercategory': 'cell'},)
    """
    annotations, images = embedded_paths.nuclei_mini(split)
    return CocoSource(annotations=annotations, images=images, **kwargs)
