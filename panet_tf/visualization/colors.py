"""Colours that stay with an instance or a class from picture to picture."""

import colorsys

import numpy as np

GOLDEN_RATIO = 0.6180339887498949


def instance_colors(indices):
    """One colour for each index, the same whatever the other indices are.

    Hues step round the circle by the golden ratio, so that neighbouring indices differ most; brightness alternates too,
    because some of a hundred hues must be close.

    Args:
        indices: ints (n,), instance numbers or class numbers; or an int n, which means 0 .. n - 1.

    Returns:
        uint8 (n, 3), RGB.

    Example:
        >>> instance_colors(2)
        array([[255,  38,  38], [ 71, 115, 255]], dtype=uint8)
    """
    indices = np.arange(indices) if isinstance(indices, int | np.integer) else np.asarray(indices, "int64").reshape(-1)
    colors = np.zeros((len(indices), 3), "uint8")
    for i, index in enumerate(indices.tolist()):
        saturation, value = ((0.85, 1.0), (0.72, 1.0), (1.0, 0.85))[index % 3]
        colors[i] = np.round(255 * np.array(colorsys.hsv_to_rgb(index * GOLDEN_RATIO % 1.0, saturation, value)))
    return colors


def text_color(color):
    """Black or white, whichever reads better on a colour: a tuple of three ints."""
    red, green, blue = (float(channel) for channel in color)
    return (0, 0, 0) if 0.299 * red + 0.587 * green + 0.114 * blue > 140 else (255, 255, 255)
