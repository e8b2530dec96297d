"""Matching straight from boxes, without the matrix of all overlaps."""

import tensorflow as tf

from panet_tf.ops import boxes as box_ops
from panet_tf.ops.matching import check_thresholds, label_by_overlap, ties


def match_boxes(
    boxes,
    candidates,
    valid,
    *,
    positive_threshold,
    negative_threshold,
    force=False,
    crowds=None,
    crowd_overlap=None,
    ignored=None,
):
    """What `match` gives for `pairwise_iou(boxes, candidates)`, one ground-truth box at a time.

    The matrix of 100 slots and the 268,000 anchors of an 800 x 1344 image is 107 MB, and each of the thirty operations
    on it would travel through memory. Here a row is in the cache, slots that hold nothing cost nothing, and memory does
    not grow with the number of slots. The loop compiles: its shapes are static, its length is not.

    Args:
        boxes: float (B, N, 4), ground truth, yxyx in pixels.
        candidates: float (A, 4) or (B, A, 4), anchors or proposals.
        valid: bool (B, N), slots to match.
        positive_threshold, negative_threshold, force: as in `match`.
        crowds: bool (B, N), slots that hold crowd regions, or `None`. They are never matched.
        crowd_overlap: float: candidates with more than this share of their area inside one crowd are labelled -1.
            `None` (default) leaves crowds out of account.

    Returns:
        indices: int32 (B, A), slot of the best box, lowest slot on ties; 0 where nothing overlaps.
        labels: int32 (B, A), 1 positive, 0 negative, -1 ignored.

    Raises:
        ValueError: if the thresholds are out of order.
    """
    check_thresholds(positive_threshold, negative_threshold)
    boxes, candidates = tf.stop_gradient(tf.cast(boxes, tf.float32)), tf.stop_gradient(tf.cast(candidates, tf.float32))
    shape = tf.stack([tf.shape(boxes)[0], tf.shape(candidates)[-2]])
    inside = _inside(boxes, candidates, crowds, crowd_overlap, shape)
    ignored = inside if ignored is None else ignored if inside is None else ignored | inside

    def take(slot, best, indices, forced):
        overlap = box_ops.pairwise_iou(boxes[:, slot, None], candidates)[:, 0]
        overlap = tf.where(valid[:, slot, None], overlap, -1.0)
        better = overlap > best  # strictly: equal overlaps stay with the lower slot
        if force:
            open_overlap = overlap if ignored is None else tf.where(ignored, -1.0, overlap)
            best_of_box = tf.reduce_max(open_overlap, axis=-1, keepdims=True)
            forced = forced | ties(open_overlap, best_of_box)
        indices = tf.where(better & (overlap > 0.0), slot, indices)
        return slot + 1, tf.maximum(best, overlap), indices, forced

    start = (tf.constant(0), tf.fill(shape, -1.0), tf.zeros(shape, tf.int32), tf.zeros(shape, tf.bool))
    _, best, indices, forced = _over_slots(take, start, valid)
    return indices, label_by_overlap(best, positive_threshold, negative_threshold, forced if force else None, ignored)


def _over_slots(take, start, used):
    """Runs `take` for slot 0 up to the last one that any image uses; the static count bounds the loop for compilers."""
    slots = tf.where(tf.reduce_any(used, axis=0), tf.range(tf.shape(used)[1]) + 1, 0)
    last = tf.reduce_max(tf.concat([[0], slots], axis=0))
    return tf.while_loop(
        lambda slot, *_: slot < last, take, start, maximum_iterations=used.shape[1], parallel_iterations=1
    )


def _inside(boxes, candidates, crowds, crowd_overlap, shape):
    """bool (B, A): whether more than a share of a candidate's area lies inside one crowd; `None` without crowds."""
    if crowds is None or crowd_overlap is None:
        return None

    def take(slot, inside):
        share = box_ops.pairwise_ioa(candidates, boxes[:, slot, None])[..., 0]
        return slot + 1, inside | ((share > crowd_overlap) & crowds[:, slot, None])

    return _over_slots(take, (tf.constant(0), tf.zeros(shape, tf.bool)), crowds)[1]
