"""Segment maps in NumPy: numbering, extents, instances, and the PNG they are kept as.

A segment map holds for each pixel the number of its segment, 1..S, or 0 for none. Sixteen bits hold 65,535 segments of
one image, and zlib makes the empty half of them nearly free, so there is one format for all.
"""

import io

import numpy as np
from PIL import Image
from pycocotools import mask as mask_utils

from panet_tf.data.mask_grids import GRID_SIZE, pack_masks, sample_mask

MAX_SEGMENTS = 65535


def number_segments(id_map, ids):
    """Gives each pixel the number of its segment in place of the segment's id.

    Args:
        id_map: int (h, w), ids of any size.
        ids: sequence of S different ids; segment s = 1..S is `ids[s - 1]`.

    Returns:
        uint16 (h, w), 0 where the id is not among `ids`.

    Raises:
        ValueError: for more than 65,535 segments.
    """
    if len(ids) > MAX_SEGMENTS:
        raise ValueError(f"an image may have at most {MAX_SEGMENTS} segments: {len(ids)}")
    found, places = np.unique(id_map, return_inverse=True)
    order = np.argsort(ids)
    wanted = np.asarray(ids, np.int64)[order]
    place = np.searchsorted(wanted, found).clip(0, max(len(wanted) - 1, 0))
    numbers = np.zeros(len(found), np.uint16)
    if len(wanted):
        known = wanted[place] == found
        numbers[known] = order[place[known]] + 1
    return numbers[places].reshape(np.shape(id_map))


def segment_instances(segment_map, numbers, boxes):
    """Masks of some segments, one at a time.

    Args:
        segment_map: int (h, w).
        numbers: sequence of n segment numbers, each with at least a pixel.
        boxes: int (n, 4), yxyx of these segments.

    Returns:
        Pair of uint8 (n, 112, 14), packed samples over each box, and a list of n compressed run lengths (str).
    """
    columns_first = np.asfortranarray(segment_map)
    grids, runs = [], []
    for number, (top, left, bottom, right) in zip(numbers, boxes):
        shown = segment_map[top:bottom, left:right] == number
        grids.append(pack_masks(sample_mask(shown, (0, 0, bottom - top, right - left))))
        mask = (columns_first == number).view(np.uint8)
        runs.append(mask_utils.encode(mask)["counts"].decode("ascii"))
    return np.array(grids, np.uint8).reshape(-1, GRID_SIZE, GRID_SIZE // 8), runs


def encode_map(segment_map):
    """Bytes of a 16-bit grey PNG, for `tf.io.decode_png(..., dtype=tf.uint16)`."""
    encoded = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(segment_map, np.uint16)).save(encoded, "PNG", compress_level=6)
    return encoded.getvalue()
