"""Masks as COCO run-length codes, without ever holding full-size masks."""

import numpy as np
from pycocotools import mask as coco_mask

from panet_tf.ops.paste_window import paste_window


def masks_to_rle(masks, boxes, size, threshold=0.5, *, whole_pixels=False):
    """Pastes box-sized mask probabilities into an image and encodes them.

    Only the pixels of a box's window are computed; the columns outside it enter as one run on either side. So 300 small
    masks of a large image cost what their windows cost.

    Args:
        masks: float (D, m, m), probabilities inside each box.
        boxes: float (D, 4), yxyx in pixels of the image; may reach out of it.
        size: (height, width) of the image.
        threshold: float, a pixel belongs to the mask when its interpolated probability is at least this. Defaults to
            0.5.
        whole_pixels: the rule of pasting, see `panet_tf.ops.paste_window`. Defaults to False.

    Returns:
        list of D dicts `{"size": [height, width], "counts": str}`, COCO's compressed code, ready for JSON.

    Example:
        >>> masks_to_rle(np.ones((1, 28, 28)), [[0, 0, 2, 2]], (4, 3))
        [{'size': [4, 3], 'counts': '02204'}]

    Source: pasting as in detectron2 (`layers/mask_ops.py`), the code as in pycocotools.
    """
    codes = []
    for mask, box in zip(np.asarray(masks), np.asarray(boxes)):
        window, top, left = paste_window(mask, box, size, whole_pixels=whole_pixels)
        codes.append(encode_window(window >= threshold, top, left, size))
    return codes


def encode_window(window, top, left, size):
    """COCO's code of an image that is 0 but for a window.

    Args:
        window: bool (h, w), may be empty.
        top: int, the row of the image that the window's first row lies on.
        left: int, likewise for columns.
        size: (height, width) of the image, which holds the window.

    Returns:
        dict `{"size": [height, width], "counts": str}`.
    """
    height, width = int(size[0]), int(size[1])
    columns = np.zeros((window.shape[1], height), bool)  # runs go down the columns
    columns[:, top : top + window.shape[0]] = window.T
    flat = columns.reshape(-1)
    ends = np.flatnonzero(flat[1:] != flat[:-1]) + 1 + left * height
    if flat.size and flat[0]:
        ends = np.concatenate([[left * height], ends])  # counts start with zeros, if only none
    if flat.size and flat[-1]:
        ends = np.concatenate([ends, [left * height + flat.size]])
    counts = np.diff(ends, prepend=0, append=height * width)
    if counts[-1] == 0 and counts.size > 1:
        counts = counts[:-1]
    code = coco_mask.frPyObjects({"size": [height, width], "counts": counts.tolist()}, height, width)
    return {"size": [height, width], "counts": code["counts"].decode("ascii")}


def decode(code):
    """The mask of a run-length code: bool (height, width)."""
    return coco_mask.decode(code).astype(bool)
