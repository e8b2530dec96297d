"""Cityscapes' rules for the AP of instances once more: word by word, one pair of masks at a time, no shortcut.

Written from what the benchmark's program does (cityscapesScripts 2.3, `evalInstanceLevelSemanticLabeling.py`).
"""

import math

import numpy as np

LABELS = (24, 25, 26, 27, 28, 31, 32, 33)
VOID = (0, 1, 2, 3, 4, 5, 6, 9, 10, 14, 15, 16, 18, 29, 30)


def slow_precisions(images, min_region=100):
    """The table of AP.

    Args:
        images: list of pairs of a map int (h, w) and a list of (mask bool (h, w), label, score).

    Returns:
        float (8, 10): of each label at each overlap.
    """
    thresholds = np.arange(0.5, 1.0, 0.05)  # their rounding belongs to the rules
    return np.array([[_one(images, label, threshold, min_region) for threshold in thresholds] for label in LABELS])


def _one(images, label, threshold, min_region):
    right, wrong, num_objects, any_mask = [], [], 0, False  # scores
    for ids, detections in images:
        masks = [(mask, score) for mask, of, score in detections if of == label and mask.any()]
        any_mask = any_mask or bool(masks)
        regions = [v for v in np.unique(ids).tolist() if (v if v < 1000 else v // 1000) == label]
        objects = [v for v in regions if v >= 1000 and (ids == v).sum() >= min_region]
        num_objects += len(objects)
        for v in objects:  # the best that finds an object is right, the others wrong
            finders = sorted(score for mask, score in masks if _overlap(ids == v, mask) > threshold)
            right += finders[-1:]
            wrong += finders[:-1]
        for mask, score in masks:
            if any(_overlap(ids == v, mask) > threshold for v in regions):
                continue  # found an object, or lies on a group or a small one
            ignored = sum((mask & (ids == v)).sum() for v in VOID)
            for v in regions:
                if v < 1000:
                    ignored += (mask & (ids == v)).sum()
                if (ids == v).sum() < min_region:
                    ignored += (mask & (ids == v)).sum()
            if ignored / mask.sum() <= threshold:
                wrong.append(score)
    if not num_objects:
        return math.nan
    if not any_mask or not right + wrong:
        return 0.0
    curve = []
    for point in sorted(set(right + wrong)):  # recall falls
        found, missed = sum(s >= point for s in right), sum(s >= point for s in wrong)
        curve.append((found / num_objects, found / (found + missed)))
    curve.append((0.0, 1.0))
    area = 0.0
    for i, (_, precision) in enumerate(curve):
        before = curve[max(i - 1, 0)][0]
        after = curve[i + 1][0] if i + 1 < len(curve) else 0.0
        area += precision * 0.5 * (before - after)
    return area


def _overlap(one, other):
    return (one & other).sum() / (one | other).sum()
