"""Non-maximum suppression that lowers scores in place of removing boxes."""

import tensorflow as tf

from panet_tf.ops import boxes as box_ops

METHODS = ("linear", "gaussian", "hard")


def soft_nms(
    boxes,
    scores,
    classes=None,
    *,
    method="linear",
    iou_threshold=0.5,
    sigma=0.5,
    min_score=1e-4,
    max_outputs=100,
):
    """Takes the best box, lowers the scores of those that overlap it, and goes on with the best of what is left.

    Boxes of different classes leave each other alone. As scores only ever fall, the first `max_outputs` boxes taken are
    also the best of all classes. The work is `max_outputs` rows of the IoU matrix, never the matrix. Source: Bodla et
    al., Soft-NMS, 2017, Figure 2, with Detectron's numbers.

    Args:
        boxes: float (..., N, 4), yxyx in pixels.
        scores: float (..., N), above 0 where there is a box.
        classes: int (..., N), or `None` for one class. Defaults to `None`.
        method: `"linear"`: a score is multiplied by 1 - IoU where the IoU is above `iou_threshold`; `"gaussian"`: by
            exp(-IoU^2 / sigma); `"hard"`: by 0 where it is above `iou_threshold`, which is `nms`. Defaults to
            `"linear"`.
        iou_threshold: float. Defaults to 0.5.
        sigma: float, of `"gaussian"`. Defaults to 0.5.
        min_score: float, boxes whose score falls to this or below are not taken. Defaults to 1e-4, Detectron's.
        max_outputs: int D. Defaults to 100.

    Returns:
        indices: int32 (..., D), in the order of being taken, 0 in empty places.
        scores: float32 (..., D), the lowered ones, descending, 0 in empty places.
        valid: bool (..., D).

    Raises:
        ValueError: for an unknown method or a sigma that is not positive.

    Example:
        >>> indices, scores, valid = soft_nms(boxes, scores, classes, method="gaussian", max_outputs=100)
    """
    if method not in METHODS or sigma <= 0:
        raise ValueError(f"method must be one of {METHODS} and sigma positive, received {method!r} and {sigma}.")
    boxes = tf.stop_gradient(tf.cast(boxes, tf.float32))
    left = tf.stop_gradient(tf.cast(scores, tf.float32))
    leading, number = tf.shape(left)[:-1], tf.shape(left)[-1]
    boxes, left = tf.reshape(boxes, (-1, number, 4)), tf.reshape(left, (-1, number))
    # A place of no box behind the others: taking the best of nothing has an index.
    boxes, left = tf.pad(boxes, ((0, 0), (0, 1), (0, 0))), tf.pad(left, ((0, 0), (0, 1)))
    if classes is not None:
        classes = tf.pad(tf.reshape(tf.cast(classes, tf.int32), (-1, number)), ((0, 0), (0, 1)), constant_values=-1)
    groups = tf.shape(left)[0]

    def take(place, left, indices, taken):
        best = tf.argmax(left, axis=-1, output_type=tf.int32)
        score = tf.gather(left, best, batch_dims=1)
        overlap = box_ops.pairwise_iou(tf.gather(boxes, best, batch_dims=1)[:, None], boxes)[:, 0]
        lowered = left * _factor(overlap, method, iou_threshold, sigma)
        if classes is not None:
            lowered = tf.where(classes == tf.gather(classes, best, batch_dims=1)[:, None], lowered, left)
        chosen = tf.range(number + 1)[None] == best[:, None]
        found = score > min_score
        column = tf.range(max_outputs)[None] == place
        indices = tf.where(column & found[:, None], best[:, None], indices)
        taken = tf.where(column & found[:, None], score[:, None], taken)
        return place + 1, tf.where(chosen, 0.0, lowered), indices, taken

    start = (0, left, tf.zeros((groups, max_outputs), tf.int32), tf.zeros((groups, max_outputs)))
    _, _, indices, taken = tf.while_loop(
        lambda place, left, *_: (place < max_outputs) & tf.reduce_any(left > min_score),
        take,
        start,
        maximum_iterations=max_outputs,
    )
    shape = tf.concat([leading, [max_outputs]], axis=0)
    taken = tf.reshape(taken, shape)
    return tf.reshape(indices, shape), taken, taken > 0


def _factor(overlap, method, iou_threshold, sigma):
    if method == "gaussian":
        return tf.exp(-tf.square(overlap) / sigma)
    return tf.where(overlap > iou_threshold, 0.0 if method == "hard" else 1.0 - overlap, 1.0)
