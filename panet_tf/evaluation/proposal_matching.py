"""Which objects the best proposals of an image reach, at every number of proposals at once."""

import numpy as np

AREA_RANGES = {"all": (0, 1e10), "small": (0, 32**2), "medium": (32**2, 96**2), "large": (96**2, 1e10)}
THRESHOLDS = np.linspace(0.5, 0.95, 10)


def matched_ranks(overlaps, counted, thresholds=THRESHOLDS):
    """The number of proposals that it takes to reach each object: greedy matching as in the COCO API.

    Proposals choose in the order of their scores, each the free object that it overlaps most, if enough; of equal
    overlaps the later object. What later proposals do changes nothing for earlier ones, so one matching gives the
    recall of any number of proposals. Objects that do not count (crowds, other sizes) are chosen last by the API, and
    so take no proposal away from one that does: they can be left out.

    Args:
        overlaps: float (D, G), IoU of proposals, best first, with objects.
        counted: bool (A, G), which objects count; one row a range of sizes.
        thresholds: float (T,), IoUs that are enough. Defaults to 0.5, 0.55 .. 0.95.

    Returns:
        int (T, A, G): place, from 0, of the proposal that an object was matched with; D for none.
    """
    overlaps, counted = np.asarray(overlaps, "float64"), np.asarray(counted, bool)
    number, objects = overlaps.shape
    thresholds = np.minimum(np.asarray(thresholds, "float64"), 1 - 1e-10)
    ranks = np.full((len(thresholds), len(counted), objects), number)
    if not objects or not number:
        return ranks
    enough = thresholds[:, None, None]
    free = np.broadcast_to(counted, ranks.shape).copy()
    for d in np.flatnonzero(overlaps.max(axis=1) >= thresholds.min()):
        values = np.where(free & (overlaps[d] >= enough), overlaps[d], -1.0)
        best = objects - 1 - values[..., ::-1].argmax(axis=-1)
        t, a = np.nonzero(values.max(axis=-1) >= 0)
        best = best[t, a]
        ranks[t, a, best] = d
        free[t, a, best] = False
    return ranks


def log_spaced_counts(most):
    """Whole numbers from 1 to `most`, ten a decade, evenly spaced in their logarithm as far as whole numbers are."""
    steps = max(1, int(np.ceil(10 * np.log10(most))))
    return np.unique(np.round(10 ** np.linspace(0, np.log10(most), steps + 1)).astype(int))


def area_under_curve(counts, values):
    """Mean of values over the logarithm of counts, by the trapezoidal rule.

    It reproduces the AUCs of the thesis's Table 3.3 from its average recalls within 0.35 points; over the counts
    themselves the mean would be nearly the recall at the last.

    Args:
        counts: increasing numbers (N,).
        values: (N,).

    Returns:
        float; of one count its value.
    """
    counts, values = np.asarray(counts, "float64"), np.asarray(values, "float64")
    if len(counts) < 2:
        return float(values[-1])
    steps = np.diff(np.log10(counts))
    return float(np.sum(steps * (values[1:] + values[:-1]) / 2) / np.sum(steps))
