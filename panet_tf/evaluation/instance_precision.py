"""Cityscapes' average precision of instances: one mask against a map of instances, and the curve of all of them."""

from typing import NamedTuple

import numpy as np

from panet_tf.ops.cityscapes_labels import LABEL_IDS, PER_LABEL, VOID_IDS

# Spaced as the benchmark spaces them, rounding and all: an overlap of exactly 0.6 is not above the third.
OVERLAPS = np.arange(0.5, 1.0, 0.05)
_VOID = np.array([identity for identity in VOID_IDS if identity >= 0])
_NUM_IDS = LABEL_IDS.stop * PER_LABEL


class JudgedMask(NamedTuple):
    """What all thresholds need to know of one predicted mask."""

    score: float
    overlap: float  # the largest intersection over union with a region of its label
    target: int  # the id of that region if it is an object that counts; -1 for a group, a small object, or none
    ignored: float  # share of the mask on void, groups and small objects


def region_areas(ids):
    """Pixels of each region of a map of instances.

    Args:
        ids: int (h, w), values as in `panet_tf.ops.cityscapes_labels`.

    Returns:
        int64 (n,), n at least 34000, indexed by id.

    Raises:
        ValueError: for values that are no ids of 16 bits.
    """
    if ids.size and not 0 <= ids.min() <= ids.max() < 2**16:
        raise ValueError(f"ids of instances must be 0 to 65535, received {ids.min()} to {ids.max()}.")
    return np.bincount(ids.ravel(), minlength=_NUM_IDS)


def objects_that_count(areas, label_id, min_region):
    """How many objects of a label are large enough to be asked for.

    Args:
        areas: as of `region_areas`.
        label_id: int, the label's.
        min_region: int, pixels.
    """
    return int(np.count_nonzero(areas[label_id * PER_LABEL : (label_id + 1) * PER_LABEL] >= max(min_region, 1)))


def judge_mask(ids, areas, window, top, left, *, label_id, score, min_region=100):
    """Compares one predicted mask with the map of its image.

    Regions of a map never overlap, so a mask has at most one whose overlap exceeds one half: no threshold needs more
    than the best. The benchmark adds a group's pixels to the ignored ones once for being a group and once more where it
    is small, and so does this.

    Args:
        ids: int (h, w), the map of instances.
        areas: its `region_areas`.
        window: bool (m, n), the mask; top, left: ints, where on the map its first pixel lies.
        label_id: int, the label predicted.
        score: float.
        min_region: int, pixels that an object must have to count. Defaults to 100.

    Returns:
        `JudgedMask`, or `None` for a mask without a pixel, which the benchmark leaves out.
    """
    covered = ids[top : top + window.shape[0], left : left + window.shape[1]][window]
    if not covered.size:
        return None
    shared = np.bincount(covered, minlength=_NUM_IDS)
    instances = np.arange(label_id * PER_LABEL, (label_id + 1) * PER_LABEL)
    regions = np.concatenate([[label_id], instances])
    regions = regions[shared[regions] > 0]
    common, sizes = shared[regions], areas[regions]
    groups, small = regions < PER_LABEL, sizes < min_region
    ignored = (shared[_VOID].sum() + common[groups].sum() + common[small].sum()) / covered.size
    if not regions.size:
        return JudgedMask(float(score), 0.0, -1, float(ignored))
    overlaps = common / (sizes + covered.size - common)
    best = int(overlaps.argmax())
    target = -1 if groups[best] or small[best] else int(regions[best])
    return JudgedMask(float(score), float(overlaps[best]), target, float(ignored))


def average_precision(judged, num_objects, threshold):
    """Area under the curve of precision over recall at one threshold of overlap.

    A mask that overlaps an object by more than the threshold has found it; of several the one with the highest score,
    the others are wrong. A mask that so overlaps a group or a small object is left out, and so is one that overlaps
    nothing while more than the threshold of its pixels are ignored. All others are wrong. The curve has a point for
    each score that occurs, and one more of precision 1 at recall 0, which flatters curves of few points and which the
    benchmark keeps (pull request 171 of its program); each point counts with half the distance of its neighbours.

    Args:
        judged: sequence of `JudgedMask` of one label, of all images; targets that no two images share.
        num_objects: int, objects of the label that count.
        threshold: float, 0.5 or more.

    Returns:
        float; NaN without an object, 0 where objects are and no mask counts.

    Source: cityscapesScripts, `evalInstanceLevelSemanticLabeling.py` (which stops with an `IndexError` where masks are
    there and all of them are left out: its issue 89).
    """
    if not num_objects:
        return float("nan")
    columns = zip(*judged) if judged else ((), (), (), ())
    scores, overlaps, targets, ignored = (np.array(column, "float64") for column in columns)
    above = overlaps > threshold
    finding = np.flatnonzero(above & (targets >= 0))
    finding = finding[np.lexsort((-scores[finding], targets[finding]))]
    _, first = np.unique(targets[finding], return_index=True)
    right = np.zeros(len(scores), bool)
    right[finding[first]] = True
    wrong = np.where(above, (targets >= 0) & ~right, ignored <= threshold)
    points = np.unique(scores[right | wrong])
    if not points.size:
        return 0.0
    num_right, num_wrong = (_at_least(scores[chosen], points) for chosen in (right, wrong))
    precision = num_right / (num_right + num_wrong)
    recall = num_right / num_objects
    precision = np.append(precision, 1.0)
    recall = np.concatenate([recall[:1], recall, [0.0, 0.0]])
    return float(precision @ np.convolve(recall, [-0.5, 0.0, 0.5], "valid"))


def _at_least(scores, points):
    """How many scores are at or above each point."""
    return len(scores) - np.searchsorted(np.sort(scores), points)
