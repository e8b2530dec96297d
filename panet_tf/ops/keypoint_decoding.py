"""Keypoints read from maps of logits as the reference programs do: NumPy only, for what runs after the graph."""

import functools

import numpy as np

SCORES = ("softmax", "logit", "resized_softmax")
_A = -0.75  # of the bicubic kernel, in torch and in OpenCV


def decode_exactly(logits, rois, *, score="softmax", scales=None, offsets=None):
    """The place and the score of each keypoint, at the resolution of its region.

    Each map is resized (bicubic, a = -0.75, half-pixel centres) to ceil(height) x ceil(width) of its RoI, in pixels of
    the network, and its highest pixel is taken: x = x0 + (column + 0.5) * width / ceil(width). The size differs from
    region to region, so it cannot be part of a compiled graph. Resizing is two matrix products, made only where the
    highest pixel can be: bicubic weights are at most 1.45 in sum above zero and 0.45 below, which bounds every pixel by
    the 4 x 4 cells around it.

    Args:
        logits: float (R, S, S, J).
        rois: float (R, 4), yxyx in pixels of the network. Sides below one pixel count as one.
        score: `"softmax"`, detectron2's: the exponential of the highest resized logit over the sum of those of the
            S x S map, so that regions of different sizes compare; `"logit"`, torchvision's: that logit itself; or
            `"resized_softmax"`, Detectron's: its probability in the resized map. Defaults to `"softmax"`.
        scales, offsets: float (2,) each, by which points are brought to the original image's pixels, see
            `panet_tf.ops.keypoints.keypoints_to_original`. Default to `None`: they stay in the network's.

    Returns:
        NumPy float32 (R, J, 3): y, x in pixels, score.

    Raises:
        ValueError: for an unknown score.

    Example:
        >>> points = decode_exactly(found["keypoint_logits"][0], found["keypoint_rois"][0], score="logit")

    Source: torchvision, `models/detection/roi_heads.py`, and detectron2, `structures/keypoints.py`
    (`heatmaps_to_keypoints`); Detectron, `utils/keypoints.py`.
    """
    if score not in SCORES:
        raise ValueError(f"score must be one of {SCORES}, received {score!r}.")
    logits, rois = np.asarray(logits, "float32"), np.asarray(rois, "float32")
    points = np.zeros((len(logits), logits.shape[-1], 3), "float32")
    for point, maps, roi in zip(points, logits, rois):
        if not np.isfinite(roi).all():
            continue
        point[:] = _decode_one(maps, roi, score)
    if scales is not None:
        points[..., :2] = points[..., :2] / np.asarray(scales, "float32") + np.asarray(offsets, "float32")
    return points


def _decode_one(maps, roi, score):
    """Points of one region: (J, 3) of y, x, score from maps (S, S, J)."""
    sides = np.maximum(roi[2:] - roi[:2], np.float32(1.0))
    height, width = (int(side) for side in np.ceil(sides))
    rows, columns = _bicubic_matrix(height, maps.shape[0]), _bicubic_matrix(width, maps.shape[1])
    planes = np.ascontiguousarray(maps.transpose(2, 0, 1))
    if score == "resized_softmax":
        resized = np.matmul(rows, np.matmul(planes, columns.T)).reshape(len(planes), -1)
        best = resized.argmax(-1)
        top = resized[np.arange(len(planes)), best]
    else:
        gaps, bounds = (_gaps(height, maps.shape[0]), _gaps(width, maps.shape[1])), _upper_bounds(planes)
        found = [_highest(plane, bound, rows, columns, gaps) for plane, bound in zip(planes, bounds)]
        best, top = (np.array(values) for values in zip(*found))
    if score != "logit":
        over = resized if score == "resized_softmax" else planes.reshape(len(planes), -1)
        top = 1.0 / np.exp(over - top[:, None]).sum(-1)
    row, column = np.divmod(best, width)
    y = (row.astype("float32") + np.float32(0.5)) * (sides[0] / np.float32(height)) + roi[0]
    x = (column.astype("float32") + np.float32(0.5)) * (sides[1] / np.float32(width)) + roi[1]
    return np.stack([y, x, top], axis=-1)


def _upper_bounds(planes):
    """What no resized pixel between cells (g, g') and (g + 1, g' + 1) exceeds, (J, S + 1, S + 1), g from -1 on."""
    padded = np.pad(planes, ((0, 0), (2, 2), (2, 2)), "edge")
    high = low = padded
    for axis in (1, 2):
        size = padded.shape[axis] - 3
        high = np.maximum.reduce([np.take(high, range(k, k + size), axis) for k in range(4)])
        low = np.minimum.reduce([np.take(low, range(k, k + size), axis) for k in range(4)])
    # At most 1.1875 above and 0.1875 below zero an axis; a little more, for float32.
    return high + np.float32(2 * 1.1875 * 0.1875 + 1e-3) * (high - low) + 1e-5 * np.abs(high)


def _highest(plane, bound, rows, columns, gaps):
    """(place, value) of the highest pixel of one resized map; the first in reading order of several."""
    row, column = np.divmod(plane.argmax(), plane.shape[1])
    _, least = _within(plane, rows, columns, gaps, (row, row + 2), (column, column + 2))  # the gaps around that cell
    above = bound >= least
    if not above.any():  # something in the map is not finite
        above = np.ones_like(above)
    spans = [np.flatnonzero(above.any(axis)) for axis in (1, 0)]
    return _within(plane, rows, columns, gaps, *((span[0], span[-1] + 1) for span in spans))


def _within(plane, rows, columns, gaps, row_span, column_span):
    """`_highest` among the pixels in a span of gaps of either axis, these counted from 0; -inf where there is none."""
    (top, bottom), (left, right) = (np.searchsorted(g, span) for g, span in zip(gaps, (row_span, column_span)))
    if top == bottom or left == right:
        return 0, -np.inf
    cells = [slice(max(first - 2, 0), last + 2) for first, last in (row_span, column_span)]
    part = rows[top:bottom, cells[0]] @ plane[cells[0], cells[1]] @ columns[left:right, cells[1]].T
    row, column = np.divmod(part.argmax(), right - left)
    return (row + top) * len(columns) + column + left, part[row, column]


@functools.lru_cache(maxsize=512)
def _gaps(pixels, cells):
    """The gap between cells in which each pixel of one axis lies: int (pixels,), 0 before the first cell."""
    return np.floor((np.arange(pixels) + 0.5) * (cells / pixels) - 0.5).astype(int) + 1


@functools.lru_cache(maxsize=512)  # sizes come again and again: within a region's keypoints, and from image to image
def _bicubic_matrix(pixels, cells):
    """Weights (pixels, cells) of bicubic resizing along one axis, beyond whose ends the last cell goes on."""
    positions = (np.arange(pixels) + 0.5) * (cells / pixels) - 0.5
    first = np.floor(positions)
    weights = np.zeros((pixels, cells), "float32")
    for tap in (-1, 0, 1, 2):
        distance = np.abs(positions - first - tap)
        near = ((_A + 2) * distance - (_A + 3)) * distance**2 + 1
        far = _A * (((distance - 5) * distance + 8) * distance - 4)
        cell = np.clip(first + tap, 0, cells - 1).astype(int)
        np.add.at(weights, (np.arange(pixels), cell), np.where(distance <= 1, near, far))
    return weights
