"""What COCO's object keypoint similarity needs to know of keypoints and of the annotations of persons."""

import math

import numpy as np
from absl import logging

# How far annotators lie apart on each of COCO's 17 keypoints, as a share of the object's scale: nose, eyes, ears,
# shoulders, elbows, wrists, hips, knees, ankles. Source: https://cocodataset.org/#keypoints-eval.
_SIDES = (0.025, 0.035, 0.079, 0.072, 0.062, 0.107, 0.087, 0.089)
COCO_SIGMAS = (0.026, *(sigma for sigma in _SIDES for _ in ("left", "right")))


def keypoint_sigmas(number, sigmas=None):
    """The standard deviations of annotators per keypoint that the similarity divides distances by.

    Args:
        number: int, keypoints of an object.
        sigmas: sequence of as many numbers, shares of the object's scale; or `None`: COCO's for 17 keypoints, and the
            mean of those for any other number, which is logged: nobody measured them.

    Returns:
        tuple of floats.

    Raises:
        ValueError: for another number of sigmas, or one that is not above 0.
    """
    if sigmas is None:
        if number == len(COCO_SIGMAS):
            return COCO_SIGMAS
        mean = sum(COCO_SIGMAS) / len(COCO_SIGMAS)
        logging.warning("No sigmas for %d keypoints: %.4f, the mean of COCO's, is taken for each.", number, mean)
        return (mean,) * number
    sigmas = tuple(float(sigma) for sigma in sigmas)
    if len(sigmas) != number or not all(sigma > 0 for sigma in sigmas):
        raise ValueError(f"keypoint_sigmas must be {number} numbers above 0, one a keypoint, received {sigmas}.")
    return sigmas


def keypoint_count(categories):
    """The most keypoints that a category of a COCO dict names; 0 where none does."""
    return max((len(category.get("keypoints") or ()) for category in categories), default=0)


def complete_keypoints(annotation, number):
    """The keypoint entries of an annotation, made good.

    Args:
        annotation: COCO dict.
        number: int J; an annotation of fewer is filled up with points without a label.

    Returns:
        dict of `keypoints`, list of 3 J numbers, x, y, visibility, and `num_keypoints`, int, counted where it is
        missing. An annotation without keypoints counts 0, by which COCO ignores it.

    Raises:
        ValueError: for keypoints that are not J finite triples at most.
    """
    given = annotation.get("keypoints") or []
    numbers = np.asarray(given, "float64").reshape(-1)
    if len(numbers) % 3 or len(numbers) > 3 * number or not all(map(math.isfinite, numbers)):
        raise ValueError(f"keypoints must be at most {number} finite triples, received {len(numbers)} numbers")
    points = np.zeros(3 * number)
    points[: len(numbers)] = numbers
    counted = annotation.get("num_keypoints")
    counted = int((points[2::3] > 0).sum()) if counted is None or not given else int(counted)
    return {"keypoints": points.tolist(), "num_keypoints": counted}
