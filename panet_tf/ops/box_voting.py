"""Boxes as the mean of all that say the same."""

import tensorflow as tf

from panet_tf.ops import boxes as box_ops

SCORES = ("kept", "mean", "iou_mean")


def box_voting(
    boxes,
    scores,
    classes,
    candidates,
    candidate_scores,
    candidate_classes,
    *,
    iou_threshold=0.8,
    score="kept",
):
    """Replaces each box by the mean of the candidates of its class around it, weighed by their scores.

    Candidates are what entered suppression, the survivors among them. Source: Gidaris and Komodakis, Object detection
    via a multi-region and semantic segmentation-aware CNN model, 2015, section 5; thresholds and kinds of scores as in
    Detectron (`utils/boxes.py`, `box_voting`).

    Args:
        boxes: float (..., D, 4), survivors of suppression, yxyx in pixels.
        scores: float (..., D); classes: int (..., D).
        candidates: float (..., M, 4); candidate_scores: float (..., M), 0 for those that do not vote;
            candidate_classes: int (..., M).
        iou_threshold: float, least IoU with a box at which a candidate votes, itself included. Defaults to 0.8;
            Detectron's example has 0.9.
        score: `"kept"`: scores stay (Detectron's `ID`); `"mean"`: of the voters' scores (`AVG`); `"iou_mean"`: weighed
            by their IoU (`IOU_AVG`). Defaults to `"kept"`.

    Returns:
        boxes float32 (..., D, 4); scores float32 (..., D). A box that nobody votes for stays.

    Raises:
        ValueError: for an unknown kind of score.

    Example:
        >>> boxes, scores = box_voting(boxes, scores, classes, all_boxes, all_scores, all_classes, iou_threshold=0.9)
    """
    if score not in SCORES:
        raise ValueError(f"score must be one of {SCORES}, received {score!r}.")
    boxes, scores, candidates, weights = (
        tf.cast(value, tf.float32) for value in (boxes, scores, candidates, candidate_scores)
    )
    overlap = box_ops.pairwise_iou(boxes, candidates)
    votes = (overlap >= iou_threshold) & (classes[..., :, None] == candidate_classes[..., None, :])
    weighed = tf.where(votes, weights[..., None, :], 0.0)
    total = tf.reduce_sum(weighed, axis=-1, keepdims=True)
    voted = tf.where(total > 0, tf.math.divide_no_nan(tf.matmul(weighed, candidates), total), boxes)
    if score == "kept":
        return voted, scores
    measure = tf.where(votes & (weights[..., None, :] > 0), overlap if score == "iou_mean" else 1.0, 0.0)
    count = tf.reduce_sum(measure, axis=-1)
    mean = tf.math.divide_no_nan(tf.reduce_sum(measure * weights[..., None, :], axis=-1), count)
    return voted, tf.where(count > 0, mean, scores)
