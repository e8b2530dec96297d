"""A panoptic prediction in the pixels of its image, with the data set's ids."""

import numpy as np

from panet_tf.ops.panoptic_geometry import to_original_size
from panet_tf.ops.panoptic_ids import VOID
from panet_tf.ops.segment_extents import segment_extents

# Of a batch. Scales and offsets have no defaults: a map sampled as if it had the image's size is wrong in silence.
KEYS = ("image_ids", "panoptic", "segment_classes", "original_sizes", "scales", "offsets")


def panoptic_results(prediction, categories, *, size=None):
    """The map and the segments of one image, at its original size: what the predictor gives and the evaluator compares.

    Segments that no original pixel shows, which a smaller image may lose, are not in the list; so map and list agree.

    Args:
        prediction: dict of one image's arrays, as a panoptic model gives them: `panoptic` int (H, W) on the network's
            canvas, 0 void, s the segment of slot s - 1; `segment_classes` int (S,), 1..P, 0 for an empty slot;
            `original_sizes`, `scales` and `offsets` (2,), as the data give them; and where there are any
            `segment_scores` (S,) and `image_sizes` (2,).
        categories: sequence of P dicts with `id`: of class 1, 2, ...
        size: (2,), height and width of the original. Defaults to the rounded `original_sizes`.

    Returns:
        Pair of labels, int32 (height, width) with the ids of the segments, and a list of dicts with `id`, the number of
        the slot + 1, `category_id`, `area` in pixels, `bbox` [x, y, width, height], `iscrowd` 0, and `score` where
        there are scores.

    Raises:
        ValueError: a number in the map that no filled slot has, or a class without a category.

    Example:
        >>> labels, segments = panoptic_results({key: value[0] for key, value in outputs.items()}, categories)
    """
    size = np.round(np.asarray(prediction["original_sizes"])).astype(int) if size is None else size
    labels = to_original_size(
        np.asarray(prediction["panoptic"], np.int32),
        size=size,
        scale=prediction["scales"],
        offset=prediction["offsets"],
        shown=prediction.get("image_sizes"),
    )
    classes, scores = np.asarray(prediction["segment_classes"]), prediction.get("segment_scores")
    if labels.size and labels.min() < VOID:
        raise ValueError(f"a panoptic map holds 0 for void and numbers of segments, received {labels.min()}.")
    areas, boxes = segment_extents(labels, max(len(classes), int(labels.max(initial=VOID))))
    numbers = np.flatnonzero(areas) + 1
    if numbers.size and (numbers[-1] > len(classes) or classes[numbers - 1].min() < 1):
        stray = next(n for n in numbers if n > len(classes) or classes[n - 1] < 1)
        raise ValueError(f"segment {stray} is in the map, and its slot of {len(classes)} is empty.")
    if numbers.size and classes[numbers - 1].max() > len(categories):
        raise ValueError(f"classes must be 1..{len(categories)} (one a category), received {classes.max()}.")
    segments = []
    for n in numbers.tolist():
        segment = {"id": n, "category_id": categories[int(classes[n - 1]) - 1]["id"], "area": int(areas[n - 1])}
        top, left, bottom, right = boxes[n - 1].tolist()
        segment |= {"bbox": [left, top, right - left, bottom - top], "iscrowd": 0}
        if scores is not None:
            segment["score"] = float(scores[n - 1])
        segments.append(segment)
    return labels, segments
