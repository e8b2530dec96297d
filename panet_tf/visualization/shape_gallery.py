"""Mean shapes of categories in one picture."""

import numpy as np
from PIL import Image, ImageDraw

from panet_tf.visualization.boxes import font

COVERED = (31, 119, 180)
_TILE, _GAP, _LABEL, _ACROSS = 56, 4, 18, 5


def shape_gallery(means, names, *, threshold=0.5, across=_ACROSS):
    """Draws the mean shapes of each category side by side, each in the square that stands for its box.

    The more instances cover a place, the darker it is; what reaches the threshold is blue.

    Args:
        means: float (K, A, S, S), shares between 0 and 1.
        names: K str.
        threshold: float. Defaults to 0.5.
        across: int, categories side by side. Defaults to 5.

    Returns:
        uint8 (height, width, 3).

    Raises:
        ValueError: there are not as many names as shapes.

    Example:
        >>> Image.fromarray(shape_gallery(shapes.means, shapes.names, threshold=shapes.threshold)).save("shapes.png")

    Source: Lin's thesis, Figure 2.7.
    """
    means = np.asarray(means, "float32")
    if means.ndim != 4 or len(means) != len(names) or not len(means):
        raise ValueError(f"shapes must be (K, A, S, S) with K names, received {means.shape} and {len(names)} names.")
    across = min(across, len(means))
    width, height = means.shape[1] * (_TILE + _GAP) + 3 * _GAP, _TILE + _LABEL + 3 * _GAP
    image = Image.new("RGB", (across * width + _GAP, -(-len(means) // across) * height + _GAP), (255, 255, 255))
    draw = ImageDraw.Draw(image)
    for number, (shapes, name) in enumerate(zip(means, names)):
        left, top = _GAP + number % across * width, _GAP + number // across * height
        draw.text((left, top), name, fill=(0, 0, 0), font=font(12))
        for kind, shape in enumerate(shapes):
            tile = Image.fromarray(_tile(shape, threshold)).resize((_TILE, _TILE), Image.Resampling.NEAREST)
            image.paste(tile, (left + kind * (_TILE + _GAP), top + _LABEL))
    return np.array(image)


def _tile(shape, threshold):
    """uint8 (S, S, 3): from white to black, or to a dark blue where the threshold is reached."""
    shade = 1 - shape[..., None]
    color = np.where(shape[..., None] >= threshold, np.array(COVERED, "float32"), 0.0)
    return np.round(255 * shade + color * (1 - shade)).clip(0, 255).astype("uint8")
