"""Matching anchors or proposals with ground truth by overlap."""

import tensorflow as tf


def match(iou, valid, *, positive_threshold, negative_threshold, force=False, ignored=None):
    """Gives every anchor its best ground-truth box and a label.

    An anchor is positive at IoU >= `positive_threshold` with its best box, negative below `negative_threshold`, and
    ignored between. With `force`, all anchors that tie for the best IoU (above 0) of some box become positive too, so
    that every box has one; such an anchor keeps its own best box, which may be another. Source: Faster R-CNN, section
    3.1.2 (conditions i and ii).

    Args:
        iou: float (..., N, A), overlap of N ground-truth slots with A anchors.
        valid: bool (..., N), whether a slot holds a box to match; False for padding and crowds.
        positive_threshold: float, 0.7 in the RPN, 0.5 in the RoI heads.
        negative_threshold: float, 0.3 in the RPN, 0.5 in the RoI heads.
        force: bool, whether boxes keep their best anchors at any overlap. Defaults to False; True in the RPN.
        ignored: bool (..., A) or None, anchors that are labelled -1 whatever they overlap, and are no box's best.
            Defaults to None.

    Returns:
        indices: int32 (..., A), slot of the best box, lowest slot on ties; 0 where nothing overlaps.
        labels: int32 (..., A), 1 positive, 0 negative, -1 ignored. Without a valid box, all anchors that are not
            ignored are negative.

    Raises:
        ValueError: if the thresholds are out of order.
    """
    check_thresholds(positive_threshold, negative_threshold)
    iou, valid = tf.cast(iou, tf.float32), tf.cast(valid, tf.bool)
    if iou.shape[-2] in (0, None):  # a maximum over nothing has no index: one slot that never matches
        padding = [[0, 0]] * (iou.shape.rank - 2)
        iou = tf.pad(iou, [*padding, [0, 1], [0, 0]])
        valid = tf.pad(valid, [*padding, [0, 1]])
    iou = tf.where(valid[..., None], iou, -1.0)
    best = tf.reduce_max(iou, axis=-2)
    indices = tf.where(best > 0.0, tf.argmax(iou, axis=-2, output_type=tf.int32), 0)
    forced = None
    if force:
        candidates = iou if ignored is None else tf.where(ignored[..., None, :], -1.0, iou)
        forced = tf.reduce_any(ties(candidates, tf.reduce_max(candidates, axis=-1, keepdims=True)), axis=-2)
    return indices, label_by_overlap(best, positive_threshold, negative_threshold, forced, ignored)


def check_thresholds(positive_threshold, negative_threshold):
    """Raises a `ValueError` unless 0 <= `negative_threshold` <= `positive_threshold`."""
    if not 0.0 <= negative_threshold <= positive_threshold:
        raise ValueError(
            "match: thresholds must have 0 <= negative_threshold <= positive_threshold, "
            f"received {negative_threshold} and {positive_threshold}."
        )


def ties(overlap, best):
    """Which overlaps tie for the best, above 0.

    Equal ones differ by rounding, and by how a compiler fuses the IoU: a few ulp count as a tie.
    """
    return (overlap >= best * (1.0 - 1e-6)) & (best > 0.0)


def label_by_overlap(best, positive_threshold, negative_threshold, forced=None, ignored=None):
    """Labels from each anchor's best overlap: 1 positive, 0 negative, -1 ignored.

    Args:
        best: float32 (..., A), -1 where there is no box at all.
        positive_threshold, negative_threshold: as in `match`.
        forced: bool (..., A), positive at any overlap, or `None`.
        ignored: bool (..., A), -1 at any overlap, or `None`.

    Returns:
        int32 (..., A).
    """
    labels = tf.where(best >= positive_threshold, 1, tf.where(best < negative_threshold, 0, -1))
    # Where the negative threshold is 0, an anchor that meets no box at all is still background.
    labels = tf.where(best < 0.0, 0, labels)
    if forced is not None:
        labels = tf.where(forced, 1, labels)
    return labels if ignored is None else tf.where(ignored, -1, labels)
