"""From the RPN's outputs to a fixed number of proposals for each image."""

import tensorflow as tf

from panet_tf.ops import boxes as box_ops
from panet_tf.ops.nms import nms

# The logit of an empty place: finite, so that arithmetic on padding never gives NaN, and below any real one.
PADDING_LOGIT = -1e9


def select_proposals(
    objectness,
    deltas,
    anchors,
    image_sizes,
    *,
    pre_nms_top_k,
    post_nms_top_k,
    iou_threshold=0.7,
    min_size=0.0,
    weights=(1.0, 1.0, 1.0, 1.0),
    implementation="auto",
):
    """Proposals of each image: the best anchors of a level, decoded, clipped, suppressed; then the best of all levels.

    Suppression is within a level. Boxes that clip to nothing, that have a side under `min_size`, or that are not
    finite are dropped before it. Proposals are constants: no gradient passes. Source: Feature Pyramid Networks,
    section 4.1 and 5.1, with the per-level limits of Detectron.

    Args:
        objectness: dict from level to float (B, A_l), logits.
        deltas: dict from level to float (B, A_l, 4), dy, dx, dh, dw.
        anchors: dict from level to float (A_l, 4), yxyx in pixels; its order is the order of levels.
        image_sizes: float (B, 2), valid height and width in pixels: boxes are clipped to them.
        pre_nms_top_k: int, anchors of a level that enter suppression (all where a level has fewer).
        post_nms_top_k: int P, proposals of an image over all levels.
        iou_threshold: float, a box goes at a higher IoU with a better one of its level. Defaults to 0.7.
        min_size: float, smallest side in pixels. Defaults to 0, any box with area.
        weights: four numbers, as in `decode_boxes`. Defaults to ones.
        implementation: of `nms`. Defaults to `"auto"`.

    Returns:
        boxes: float32 (B, P, 4), yxyx in pixels, in descending order of score, equal scores by level and rank; 0 in
            empty places.
        scores: float32 (B, P), logits; -1e9 in empty places.
        valid: bool (B, P).
    """
    negative_infinity = float("-inf")
    boxes, scores = [], []
    for level, level_anchors in anchors.items():
        logits = tf.stop_gradient(tf.cast(objectness[level], tf.float32))
        logits = tf.where(tf.math.is_nan(logits), negative_infinity, logits)
        number = logits.shape[-1] if logits.shape[-1] is not None else level_anchors.shape[0]
        if number is None:  # anchors of an image whose size is not known while tracing
            top_k = tf.minimum(pre_nms_top_k, tf.shape(logits)[-1])
        else:
            top_k = min(pre_nms_top_k, number)
        logits, indices = tf.math.top_k(logits, k=top_k)
        chosen_anchors = tf.gather(tf.cast(level_anchors, tf.float32), indices)
        chosen_deltas = tf.gather(tf.stop_gradient(tf.cast(deltas[level], tf.float32)), indices, batch_dims=1)
        decoded = box_ops.decode_boxes(chosen_deltas, chosen_anchors, weights)
        usable = tf.reduce_all(tf.math.is_finite(decoded), axis=-1)
        decoded = box_ops.clip_boxes(decoded, image_sizes)
        height, width = decoded[..., 2] - decoded[..., 0], decoded[..., 3] - decoded[..., 1]
        usable &= (height > 0.0) & (width > 0.0) & (height >= min_size) & (width >= min_size)
        # Levels are stacked to one batch for suppression: those with fewer anchors are padded with boxes that never
        # count.
        missing = pre_nms_top_k - top_k
        decoded = tf.pad(tf.where(usable[..., None], decoded, 0.0), [[0, 0], [0, missing], [0, 0]])
        logits = tf.where(usable, logits, negative_infinity)
        logits = tf.pad(logits, [[0, 0], [0, missing]], constant_values=negative_infinity)
        boxes.append(tf.ensure_shape(decoded, (None, pre_nms_top_k, 4)))
        scores.append(tf.ensure_shape(logits, (None, pre_nms_top_k)))
    boxes, scores = tf.stack(boxes, axis=1), tf.stack(scores, axis=1)
    per_level = min(pre_nms_top_k, post_nms_top_k)
    indices, valid = nms(
        boxes, scores, iou_threshold=iou_threshold, max_outputs=per_level, implementation=implementation
    )
    scores = tf.where(valid, tf.gather(scores, indices, batch_dims=2), negative_infinity)
    boxes = tf.where(valid[..., None], tf.gather(boxes, indices, batch_dims=2), 0.0)
    total = len(anchors) * per_level
    missing = max(0, post_nms_top_k - total)
    scores = tf.pad(tf.reshape(scores, (-1, total)), [[0, 0], [0, missing]], constant_values=negative_infinity)
    boxes = tf.pad(tf.reshape(boxes, (-1, total, 4)), [[0, 0], [0, missing], [0, 0]])
    scores, order = tf.math.top_k(scores, k=post_nms_top_k)
    valid = scores > negative_infinity
    return tf.gather(boxes, order, batch_dims=1), tf.where(valid, scores, PADDING_LOGIT), valid
