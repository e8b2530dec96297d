"""From a dense detector's outputs to a fixed number of scored boxes for each image, before suppression."""

import tensorflow as tf

from panet_tf.ops import boxes as box_ops


def dense_candidates(
    class_logits,
    deltas,
    anchors,
    image_sizes,
    *,
    score_threshold=0.05,
    pre_nms_top_k=1000,
    weights=(1.0, 1.0, 1.0, 1.0),
):
    """The best pairs of an anchor and a class of each level above a score, decoded and clipped.

    Each class of each anchor is a detection of its own. Only boxes of the best are decoded; those that clip to nothing,
    as where an image does not fill its canvas, or that are not finite leave their places empty. Source: Lin's thesis,
    section 5.4, "Inference".

    Args:
        class_logits: dict from level to float (B, A_l, K), without background.
        deltas: dict from level to float (B, A_l, 4), dy, dx, dh, dw.
        anchors: dict from level to float (A_l, 4), yxyx in pixels; its order is the order of levels.
        image_sizes: float (B, 2), valid height and width in pixels: boxes are clipped to them.
        score_threshold: float, probabilities must exceed it. Defaults to 0.05.
        pre_nms_top_k: int, pairs kept of a level. Defaults to 1000.
        weights: four numbers, as in `decode_boxes`. Defaults to ones.

    Returns:
        boxes: float32 (B, M, 4), yxyx in pixels; zeros in empty places. M is `pre_nms_top_k` a level, or fewer where a
            level is known to have no more pairs. Level by level, each by descending score, ties by lower anchor, then
            lower class.
        scores: float32 (B, M), probabilities; 0 in empty places.
        classes: int32 (B, M), 1..K; 0 in empty places.
    """
    found = [
        _of_level(
            class_logits[level], deltas[level], level_anchors, image_sizes, score_threshold, pre_nms_top_k, weights
        )
        for level, level_anchors in anchors.items()
    ]
    return tuple(tf.concat(parts, axis=1) for parts in zip(*found))


def _of_level(logits, deltas, anchors, image_sizes, score_threshold, pre_nms_top_k, weights):
    logits = tf.stop_gradient(tf.cast(logits, tf.float32))
    logits = tf.where(tf.math.is_nan(logits), float("-inf"), logits)
    number, num_classes = logits.shape[1], logits.shape[2]
    # The best pairs belong to the anchors whose best class is best; in the order of anchors, ties stay as they were.
    # Sorting a million pairs is many times dearer than looking through them for each anchor's best.
    top = tf.minimum(pre_nms_top_k, tf.shape(logits)[1]) if number is None else min(pre_nms_top_k, number)
    _, rows = tf.math.top_k(tf.reduce_max(logits, axis=-1), k=top)
    rows = tf.sort(rows, axis=-1)
    logits = tf.gather(logits, rows, batch_dims=1)
    pairs = tf.reshape(logits, (-1, top * num_classes))
    kept = tf.minimum(pre_nms_top_k, top * num_classes) if number is None else min(pre_nms_top_k, top * num_classes)
    best, indices = tf.math.top_k(pairs, k=kept)
    rows = tf.gather(rows, indices // num_classes, batch_dims=1)
    boxes = box_ops.decode_boxes(
        tf.gather(tf.stop_gradient(tf.cast(deltas, tf.float32)), rows, batch_dims=1),
        tf.gather(tf.cast(anchors, tf.float32), rows),
        weights,
    )
    scores = tf.sigmoid(best)
    usable = (scores > score_threshold) & tf.reduce_all(tf.math.is_finite(boxes), axis=-1)
    boxes = box_ops.clip_boxes(boxes, image_sizes)
    usable &= tf.reduce_all(boxes[..., 2:] > boxes[..., :2], axis=-1)
    boxes = tf.where(usable[..., None], boxes, 0.0)
    scores = tf.where(usable, scores, 0.0)
    classes = tf.where(usable, indices % num_classes + 1, 0)
    if number is not None:
        return boxes, scores, classes
    missing = pre_nms_top_k - kept  # of a canvas whose size is not known while tracing
    boxes = tf.ensure_shape(tf.pad(boxes, [[0, 0], [0, missing], [0, 0]]), (None, pre_nms_top_k, 4))
    scores, classes = (tf.pad(values, [[0, 0], [0, missing]]) for values in (scores, classes))
    return boxes, *(tf.ensure_shape(values, (None, pre_nms_top_k)) for values in (scores, classes))
