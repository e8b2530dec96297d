"""Boxes for the tests of suppression and voting, and IoU of two, one at a time."""

import numpy as np


def clusters(rng, number=40, centres=6):
    """Boxes (number, 4) around a few places, with scores and classes 1 and 2; some boxes have no area."""
    middle = rng.uniform(20, 80, (centres, 2))[rng.integers(0, centres, number)] + rng.normal(0, 3, (number, 2))
    sides = rng.uniform(14, 24, (number, 2))
    boxes = np.concatenate([middle - sides / 2, middle + sides / 2], axis=1).astype("float32")
    boxes[-1, 2:] = boxes[-1, :2]
    return boxes, rng.uniform(0.05, 1, number).astype("float32"), rng.integers(1, 3, number).astype("int32")


def slow_iou(a, b):
    height, width = (min(a[i + 2], b[i + 2]) - max(a[i], b[i]) for i in (0, 1))
    both = max(height, 0.0) * max(width, 0.0)
    areas = [(box[2] - box[0]) * (box[3] - box[1]) for box in (a, b)]
    return both / (sum(areas) - both) if both else 0.0
