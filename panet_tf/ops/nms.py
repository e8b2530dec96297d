"""Greedy non-maximum suppression with static shapes: a C++ kernel for CPU, and matrix form that XLA compiles."""

import tensorflow as tf

from panet_tf.ops import boxes as box_ops
from panet_tf.ops import xla


def nms(boxes, scores, *, iou_threshold, max_outputs, score_threshold=float("-inf"), implementation="auto"):
    """Greedy non-maximum suppression within each group of boxes.

    From the highest score down, a box is kept unless its IoU with a kept one is above `iou_threshold`. Equal scores
    are taken by lower index. Boxes without area suppress nothing and are not suppressed.

    Both implementations give the same indices. `"native"` runs TensorFlow's C++ kernel on each group. `"matrix"`
    finds the greedy answer as the fixed point of keep_i = not any_(j before i) (keep_j and IoU_ij > threshold): after
    t rounds every box with a chain of fewer than t suppressions behind it is settled, so it ends after as many rounds
    as the longest chain, usually under ten.

    Args:
        boxes: float (..., N, 4), yxyx in pixels.
        scores: float (..., N). A score of -inf or NaN marks padding, which is never kept.
        iou_threshold: float, 0 to 1.
        max_outputs: int, places in the result.
        score_threshold: float, only higher scores are kept. Defaults to none.
        implementation: `"auto"`, `"native"` or `"matrix"`. Defaults to `"auto"`: `"matrix"` where XLA compiles, else
            `"native"`.

    Returns:
        indices: int32 (..., max_outputs) into N, by descending score; 0 in empty places.
        valid: bool (..., max_outputs), True for a kept box.

    Raises:
        ValueError: on an unknown implementation or a threshold outside 0..1.

    Example:
        >>> indices, valid = nms(boxes, scores, iou_threshold=0.7, max_outputs=1000)
        >>> kept = tf.gather(boxes, indices, batch_dims=1)
    """
    if not 0.0 <= iou_threshold <= 1.0:
        raise ValueError(f"nms: iou_threshold must be in 0..1, received {iou_threshold}.")
    implementation = xla.choose_implementation(implementation, "native", "matrix", "nms")
    boxes = tf.stop_gradient(tf.cast(boxes, tf.float32))
    scores = tf.stop_gradient(tf.cast(scores, tf.float32))
    scores = tf.where(scores > score_threshold, scores, float("-inf"))  # NaN compares False
    leading = tf.shape(scores)[:-1]
    number = scores.shape[-1] if scores.shape[-1] is not None else tf.shape(scores)[-1]
    flat_boxes = tf.reshape(boxes, tf.stack([tf.reduce_prod(leading), number, 4]))
    flat_scores = tf.reshape(scores, tf.stack([tf.reduce_prod(leading), number]))
    suppress = _nms_native if implementation == "native" else _nms_matrix
    indices, valid = suppress(flat_boxes, flat_scores, iou_threshold, max_outputs)
    shape = tf.concat([leading, [max_outputs]], axis=0)
    indices, valid = tf.reshape(indices, shape), tf.reshape(valid, shape)
    static = [*scores.shape[:-1], max_outputs]
    return tf.ensure_shape(indices, static), tf.ensure_shape(valid, static)


def _nms_native(boxes, scores, iou_threshold, max_outputs):
    """Boxes (G, N, 4), scores (G, N) with -inf for padding -> indices (G, max_outputs), valid (G, max_outputs)."""

    def one_group(group):
        indices, number = tf.raw_ops.NonMaxSuppressionV4(
            boxes=group[0],
            scores=group[1],
            max_output_size=max_outputs,
            iou_threshold=tf.constant(iou_threshold, tf.float32),
            score_threshold=tf.constant(float("-inf"), tf.float32),
            pad_to_max_output_size=True,
        )
        return indices, number

    signature = (tf.TensorSpec((max_outputs,), tf.int32), tf.TensorSpec((), tf.int32))
    if boxes.shape[0] == 1:  # one image: no loop to set up
        indices, number = (tensor[None] for tensor in one_group((boxes[0], scores[0])))
    else:
        indices, number = tf.map_fn(one_group, (boxes, scores), fn_output_signature=signature)
    valid = tf.range(max_outputs)[None, :] < number[:, None]
    return tf.where(valid, indices, 0), valid


def _nms_matrix(boxes, scores, iou_threshold, max_outputs):
    """The same without a kernel: boxes (G, N, 4), scores (G, N) -> indices (G, max_outputs), valid (G, max_outputs)."""
    number = scores.shape[-1] if scores.shape[-1] is not None else tf.shape(scores)[-1]
    scores, order = tf.math.top_k(scores, k=number)  # equal scores: lower index first
    boxes = tf.gather(boxes, order, batch_dims=1)
    keep = greedy_keep(box_ops.pairwise_iou(boxes, boxes) > iou_threshold, scores > float("-inf"))
    ranks, valid = first_kept(keep, max_outputs)
    return tf.where(valid, tf.gather(order, ranks, batch_dims=1), 0), valid


def greedy_keep(overlaps, valid):
    """Greedy suppression given which boxes overlap too much, boxes in descending order of score.

    Args:
        overlaps: bool (G, N, N), symmetric; the diagonal is not read.
        valid: bool (G, N), False for boxes that neither are kept nor suppress.

    Returns:
        bool (G, N), the boxes that stay.
    """
    number = tf.shape(overlaps)[-1]
    before = tf.range(number)[:, None] < tf.range(number)[None, :]
    suppresses = overlaps & before  # [j, i]: j, if kept, removes i

    def changed(_, last_change):
        return last_change

    def refine(keep, _):
        refined = valid & ~tf.reduce_any(suppresses & keep[:, :, None], axis=1)
        return refined, tf.reduce_any(refined != keep)

    keep, _ = tf.while_loop(changed, refine, (valid, tf.reduce_any(valid)), shape_invariants=None)
    return keep


def first_kept(keep, max_outputs):
    """Positions of the first `max_outputs` True entries of each row.

    Args:
        keep: bool (G, N).
        max_outputs: int.

    Returns:
        positions: int32 (G, max_outputs), ascending; 0 in empty places.
        valid: bool (G, max_outputs).
    """
    number = keep.shape[-1]
    if number is None or number < max_outputs:
        keep = tf.pad(keep, [[0, 0], [0, max_outputs if number is None else max_outputs - number]])
    length = tf.shape(keep)[-1]
    keys, positions = tf.math.top_k(tf.where(keep, length - tf.range(length), 0), k=max_outputs)
    valid = keys > 0
    return tf.where(valid, positions, 0), valid
