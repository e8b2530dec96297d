"""Pictures below each other."""

import numpy as np


def below_each_other(images, *, gap=8):
    """Sets pictures in a column, at its left.

    Args:
        images: sequence of uint8 (height, width, 3) of any sizes.
        gap: int, white pixels between pictures. Defaults to 8.

    Returns:
        uint8 (height, width, 3).

    Raises:
        ValueError: no pictures.

    Example:
        >>> page = below_each_other([side_by_side(first_row), side_by_side(second_row)])
    """
    images = [np.asarray(image) for image in images]
    if not images:
        raise ValueError("below_each_other needs pictures, received none.")
    height = sum(image.shape[0] for image in images) + gap * (len(images) - 1)
    page = np.full((height, max(image.shape[1] for image in images), 3), 255, np.uint8)
    top = 0
    for image in images:
        page[top : top + image.shape[0], : image.shape[1]] = image
        top += image.shape[0] + gap
    return page
