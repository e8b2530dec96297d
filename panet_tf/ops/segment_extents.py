"""Areas and boxes of the segments of a map, in NumPy."""

import numpy as np


def segment_extents(segment_map, count):
    """Areas and boxes of all segments in a few passes over the map.

    Args:
        segment_map: int (h, w) of numbers 0..count.
        count: int S.

    Returns:
        Pair of int64 (S,), pixels, and int32 (S, 4), yxyx; 0 for segments without a pixel.
    """
    height, width = segment_map.shape
    numbers = segment_map.astype(np.intp)
    areas = np.bincount(numbers.ravel(), minlength=count + 1)[1:]
    edges = []
    for side, positions in ((height, np.arange(height)[:, None]), (width, np.arange(width)[None])):
        touched = np.zeros((count + 1, side), bool)
        touched[numbers, positions] = True
        first, last = touched.argmax(1), side - touched[:, ::-1].argmax(1)
        edges.append((first[1:], last[1:]))
    (top, bottom), (left, right) = edges
    boxes = np.stack([top, left, bottom, right], axis=-1).astype(np.int32)
    return areas, np.where(areas[:, None] > 0, boxes, 0)
