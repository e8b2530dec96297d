"""Masks as tinted areas with outlines."""

import numpy as np
from pycocotools import mask as coco_mask

from panet_tf.ops.paste_window import paste_window


def draw_masks(image, masks, colors, *, boxes=None, alpha=0.4, outline=1):
    """Tints the pixels of each mask and draws a line along the inside of its border.

    Masks are worked on one at a time and inside their windows, so that hundreds of a large photograph need the memory
    of one. All tints come first: no outline is tinted by a mask drawn later.

    Args:
        image: uint8 (height, width, 3), changed in place.
        masks: bool (n, height, width); or n run-length codes of that size; or, with `boxes`, float (n, m, m)
            probabilities inside each box, cut at 0.5.
        colors: uint8 (n, 3).
        boxes: float (n, 4), yxyx in pixels of `image`, where masks are probabilities inside them.
        alpha: float, how much of the colour is in the tint. Defaults to 0.4.
        outline: int, width of the outline in pixels, 0 for none. Defaults to 1.

    Returns:
        `image`.

    Raises:
        ValueError: masks of another size than the image.
    """
    windows = [mask_window(mask, None if boxes is None else boxes[i], image.shape[:2]) for i, mask in enumerate(masks)]
    for (window, top, left), color in zip(windows, colors):
        part = image[top : top + window.shape[0], left : left + window.shape[1]]
        part[window] = np.round((1 - alpha) * part[window] + alpha * np.asarray(color, "float32")).astype("uint8")
    if outline > 0:
        for (window, top, left), color in zip(windows, colors):
            part = image[top : top + window.shape[0], left : left + window.shape[1]]
            part[window & ~_shrink(window, outline)] = color
    return image


def mask_window(mask, box, size):
    """The window of a mask that holds all its pixels: bool (h, w), and the image row and column of its first pixel."""
    if box is not None:
        window, top, left = paste_window(mask, box, size)
        return window >= 0.5, top, left
    mask = coco_mask.decode(mask).astype(bool) if isinstance(mask, dict) else np.asarray(mask).astype(bool)
    if mask.shape != tuple(size):
        raise ValueError(
            f"masks must have the image's size {tuple(size)}, received {mask.shape}. Give boxes= for masks"
        )
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    if not rows.size:
        return mask[:0, :0], 0, 0
    return mask[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1].copy(), int(rows[0]), int(columns[0])


def _shrink(mask, pixels):
    """The mask without the pixels whose distance (city blocks) to its outside is `pixels` or less."""
    for _ in range(pixels):
        padded = np.pad(mask, 1)
        mask = mask & padded[:-2, 1:-1] & padded[2:, 1:-1] & padded[1:-1, :-2] & padded[1:-1, 2:]
    return mask
