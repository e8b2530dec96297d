"""Masks as the vote of all that say the same: NumPy only, after the graph."""

import numpy as np

from panet_tf.ops.paste_window import paste_window


def mask_voting(
    boxes,
    classes,
    candidates,
    candidate_scores,
    candidate_classes,
    candidate_masks,
    *,
    size,
    iou_threshold=0.5,
    binary_threshold=0.4,
    whole_pixels=False,
    own=None,
):
    """The mask of each box by a vote of the candidates of its class around it.

    Every candidate's mask is pasted and thresholded; at each pixel the scores of those that hold it are added and
    divided by the scores of all, and the pixel belongs to the object where that share reaches the threshold again.
    Source: Dai et al., Instance-aware semantic segmentation via multi-task network cascades, 2016, section 5, whose
    released code has these numbers; PANet (section 4.2, challenge) uses it and names none.

    Args:
        boxes: float (D, 4), survivors of suppression, yxyx in pixels of the image; classes: int (D,).
        candidates: float (M, 4); candidate_scores: float (M,), at least 0; candidate_classes: int (M,);
            candidate_masks: float (M, m, m), probabilities inside each.
        size: (height, width) of the image.
        iou_threshold: float, least IoU of boxes at which a candidate votes. Defaults to 0.5.
        binary_threshold: float, of pasted probabilities and of shares. Defaults to 0.4.
        whole_pixels: as in `paste_window`. Defaults to False.
        own: int (D,), the candidate that each box comes from, which votes wherever the box has moved to since; or
            `None`, where a box that nobody votes for has an empty mask. Defaults to `None`.

    Returns:
        list of D tuples `(mask, top, left)`: bool (h, w), a window of the image, and where it begins. Outside of it
        there is nothing.

    Example:
        >>> for mask, top, left in mask_voting(boxes, classes, *candidates, size=(480, 640)):
        ...     image[top : top + mask.shape[0], left : left + mask.shape[1]][mask] = 255
    """
    boxes, candidates = (np.asarray(value, "float32").reshape(-1, 4) for value in (boxes, candidates))
    scores = np.asarray(candidate_scores, "float32")
    votes = (_iou(boxes, candidates) >= iou_threshold) & (np.equal.outer(classes, candidate_classes)) & (scores > 0)
    if own is not None:
        votes[np.arange(len(boxes)), own] = True
    windows = {}
    found = []
    for voters in votes:
        members = np.flatnonzero(voters)
        for member in members:
            if member not in windows:
                window, top, left = paste_window(
                    candidate_masks[member], candidates[member], size, whole_pixels=whole_pixels
                )
                windows[member] = window >= binary_threshold, top, left
        found.append(_share([windows[m] for m in members], scores[members], binary_threshold))
    return found


def _share(windows, scores, threshold):
    """Where the weighed share of binary windows reaches the threshold."""
    there = [(window, top, left) for window, top, left in windows if window.size]
    if not there:
        return np.zeros((0, 0), bool), 0, 0
    top, left = (min(window[axis] for window in there) for axis in (1, 2))
    bottom = max(y + window.shape[0] for window, y, _ in there)
    right = max(x + window.shape[1] for window, _, x in there)
    share = np.zeros((bottom - top, right - left), "float32")
    for (window, y, x), score in zip(windows, scores):
        share[y - top : y - top + window.shape[0], x - left : x - left + window.shape[1]] += score * window
    # Relative, so that one voter alone, whose share is 1 but for rounding, decides.
    return share >= threshold * scores.sum() * (1 - 1e-6), top, left


def _iou(a, b):
    low, high = np.maximum(a[:, None, :2], b[None, :, :2]), np.minimum(a[:, None, 2:], b[None, :, 2:])
    both = np.prod(np.maximum(high - low, 0), axis=-1)
    areas = [np.prod(np.maximum(box[:, 2:] - box[:, :2], 0), axis=-1) for box in (a, b)]
    return both / np.maximum(areas[0][:, None] + areas[1][None] - both, 1e-9)
