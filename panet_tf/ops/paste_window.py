"""Pasting one mask into its window: NumPy only, for what runs after the graph (metrics, pictures, the predictor)."""

import numpy as np


def paste_window(mask, box, size, *, whole_pixels=False):
    """Probabilities of one mask at the pixels of an image that its box covers.

    The mask is interpolated bilinearly at pixel centres and is zero outside its cells: the rule of `paste_masks`,
    worked out only where the result can reach half the mask's largest value. Two small matrix products.

    Args:
        mask: float (m, n), probabilities at the centres of a grid over the box.
        box: four numbers, yxyx in pixels of the image; may reach out of it, may be empty.
        size: (height, width) of the image.
        whole_pixels: bool, the older rule of Detectron and torchvision: the box grows by a cell of zeros on each side,
            its corners lose their fractions, and both corner pixels belong to it. `"inclusive"`: the same, one pixel
            less before, for boxes whose last pixel Detectron would name. Defaults to False.

    Returns:
        float32 (h, w), the window, of no pixels when the box covers no pixel's centre in the image, columns contiguous
        as run-length codes want them; int, the image row of its first row; int, the image column of its first column.

    Source: detectron2, `layers/mask_ops.py` (`paste_masks_in_image`); torchvision, `models/detection/roi_heads.py`
    (`paste_mask_in_image`) for `whole_pixels`; Detectron, `core/test.py` (`segm_results`) for `"inclusive"`.
    """
    mask = np.asarray(mask, "float32")
    rows, top = _weights(box[0], box[2], size[0], mask.shape[0], whole_pixels)
    columns, left = _weights(box[1], box[3], size[1], mask.shape[1], whole_pixels)
    return (columns @ mask.T @ rows.T).T, top, left


def _weights(low, high, size, cells, whole_pixels):
    """Interpolation matrix (pixels, cells) of one axis, and its first pixel."""
    low, high = float(low), float(high)
    if not (high > low and np.isfinite(low) and np.isfinite(high)):
        return np.zeros((0, cells), "float32"), 0
    ring = 0
    if whole_pixels:
        # In float32 and in torchvision's order: a corner near a whole pixel must fall to the same side of it.
        low, high, ring = np.float32(low), np.float32(high), 1
        if whole_pixels == "inclusive":
            high = max(high - np.float32(1), low)
        middle, half = (high + low) * np.float32(0.5), (high - low) * np.float32(0.5) * np.float32((cells + 2) / cells)
        low, high = float(np.trunc(middle - half)), float(np.trunc(middle + half)) + 1.0
    first = int(np.clip(np.ceil(low - 0.5), 0, size))
    last = int(np.clip(np.floor(high - 0.5) + 1, first, size))  # the centre of pixel i is at i + 0.5
    position = (np.arange(first, last) + 0.5 - low) * ((cells + 2 * ring) / (high - low)) - 0.5 - ring
    weights = np.maximum(0.0, 1.0 - np.abs(position[:, None] - np.arange(cells)))
    return weights.astype("float32"), first
