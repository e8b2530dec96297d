"""COCO's segmentations (polygons, run lengths): checked, encoded, and sampled to the grids that training uses.

Nothing here holds an image-sized mask: a grid is read straight from the runs, so that its cost does not grow with the
image.
"""

import numpy as np
from pycocotools import mask as mask_utils

from panet_tf.data.json_numbers import whole
from panet_tf.data.mask_grids import GRID_SIZE


def encode_segmentation(segmentation, height, width):
    """Turns any COCO segmentation into compressed run lengths, exactly as `pycocotools.coco.COCO.annToRLE` does.

    Args:
        segmentation: list of polygons `[x1, y1, x2, y2, ...]` in pixels, one flat polygon, or a dict of `"size"`
            (height, width) and `"counts"` (list of run lengths, or their compressed string).
        height, width: ints, size of the image in pixels.

    Returns:
        Tuple of a dict `{"size": [height, width], "counts": str}` and the number of polygon parts left out because they
        had fewer than three points.

    Raises:
        ValueError: on a segmentation that no mask can be made of; the message is the rule that it breaks,
            followed by `": "` and what was received where that helps.

    Example:
        >>> rle, left_out = encode_segmentation([[1, 1, 5, 1, 5, 5, 1, 5]], height=8, width=8)
    """
    left_out = 0
    if isinstance(segmentation, dict):
        rle = _encode_runs(segmentation, height, width)
    elif isinstance(segmentation, list) and segmentation:
        polygons, left_out = _check_polygons(segmentation, height, width)
        rle = mask_utils.merge(mask_utils.frPyObjects(polygons, height, width))
    else:
        raise ValueError(f"segmentation is neither polygons nor run lengths: {type(segmentation).__name__}")
    counts = rle["counts"]
    return {
        "size": [height, width],
        "counts": counts.decode("ascii") if isinstance(counts, bytes) else counts,
    }, left_out


def rle_runs(counts):
    """Returns the run lengths of a compressed RLE as an int64 array: background first, in column-major order.

    pycocotools decodes a damaged string without complaint, reading past its end; this twin of its `rleFrString` is what
    lets a broken string be told from a good one.

    Args:
        counts: str or bytes, six-bit characters from "0" (48), five bits of data and one of continuation each.

    Raises:
        ValueError: on characters outside the code or a string that ends within a number.
    """
    data = counts.encode() if isinstance(counts, str) else counts
    data = np.frombuffer(data, np.uint8).astype(np.int64) - 48
    if data.size == 0 or data.min() < 0 or data.max() > 63:
        raise ValueError("compressed RLE is empty or has characters outside the code")
    last = (data & 32) == 0
    if not last[-1]:
        raise ValueError("compressed RLE ends within a number")
    starts = np.concatenate([[0], np.flatnonzero(last)[:-1] + 1])
    lengths = np.diff(np.concatenate([starts, [data.size]]))
    if lengths.max() > 12:
        raise ValueError("compressed RLE has a number of more than 12 characters")
    places = np.arange(data.size) - np.repeat(starts, lengths)
    numbers = np.add.reduceat((data & 31) << (5 * places), starts)
    negative = (data[last] & 16) != 0
    numbers = numbers - np.where(negative, np.left_shift(1, 5 * lengths), 0)
    # From the fourth number on, the code holds the difference to the number two places before.
    numbers[1::2] = np.cumsum(numbers[1::2])
    numbers[2::2] = np.cumsum(numbers[2::2])
    return numbers


def sample_rle(rle, box, size=GRID_SIZE):
    """Samples a mask at the centres of a grid over a box; each sample is the pixel that its centre lies in.

    Args:
        rle: dict of `"size"` (height, width) and `"counts"` (compressed str or bytes).
        box: (4,) yxyx in pixels; a grid point outside of the image takes the nearest pixel.
        size: int, samples a side. Defaults to 112.

    Returns:
        uint8 (size, size) of 0 and 1.
    """
    height, width = rle["size"]
    ends = np.cumsum(rle_runs(rle["counts"]))
    y0, x0, y1, x1 = (float(v) for v in box)
    steps = (np.arange(size) + 0.5) / size
    rows = np.clip(np.floor(y0 + steps * (y1 - y0)), 0, height - 1).astype(np.int64)
    columns = np.clip(np.floor(x0 + steps * (x1 - x0)), 0, width - 1).astype(np.int64)
    # Column-major and sorted within each column; runs alternate, so a position's value is the parity of its run.
    runs = np.searchsorted(ends, columns[:, None] * height + rows[None, :], side="right")
    return (runs & 1).astype(np.uint8).T


def _encode_runs(segmentation, height, width):
    size, counts = segmentation.get("size"), segmentation.get("counts")
    if not (isinstance(size, (list, tuple)) and [whole(v) for v in size] == [height, width]):
        raise ValueError(f"RLE size is not the image's (height, width): {size} and {[height, width]}")
    if isinstance(counts, list):
        runs = [whole(v) for v in counts]
        if None in runs:
            raise ValueError("RLE counts are not whole numbers")
    elif isinstance(counts, (str, bytes)):
        runs = rle_runs(counts)
    else:
        raise ValueError(f"RLE counts are neither a list nor a string: {type(counts).__name__}")
    if min(runs, default=-1) < 0 or sum(runs) != height * width:
        raise ValueError(f"RLE runs do not add up to the image's pixels: {sum(runs)} and {height * width}")
    if isinstance(counts, list):
        return mask_utils.frPyObjects({"size": [height, width], "counts": runs}, height, width)
    return {"size": [height, width], "counts": counts}


def _check_polygons(segmentation, height, width):
    parts = segmentation if isinstance(segmentation[0], (list, tuple)) else [segmentation]
    polygons, left_out = [], 0
    for part in parts:
        try:
            points = np.asarray(part, np.float64)
        except (TypeError, ValueError):
            raise ValueError("polygon has coordinates that are not numbers") from None
        if points.ndim != 1 or points.size % 2:
            raise ValueError("polygon is not a flat list of x, y pairs")
        if points.size < 6:  # pycocotools would read two points as a box
            left_out += 1
            continue
        if not np.isfinite(points).all():
            raise ValueError("polygon has coordinates that are not finite")
        # The rasteriser's memory grows with the outline's length, so a stray coordinate could take all there is.
        if points.min() < -max(height, width) or points.max() > 2 * max(height, width):
            raise ValueError("polygon reaches farther than one image side outside of the image")
        polygons.append(points.tolist())
    if not polygons:
        raise ValueError("polygon has fewer than three points")
    return polygons, left_out
