"""Online hard example mining."""

import tensorflow as tf

from panet_tf.ops.nms import nms


def hard_examples(
    losses, classes, boxes, *, count, iou_threshold, candidates=2000, negatives_per_positive=None, fill=True
):
    """Keeps the examples of highest loss that do not overlap each other too much, and ignores all others.

    Source: Training Region-based Object Detectors with Online Hard Example Mining, section 3.2, brought to a dense
    detector as in Lin's thesis, section 5.5.1. Neighbouring anchors make the same mistake: suppression by loss keeps
    one of them. It looks at the `candidates` highest losses of an image only, as the matrix of a hundred thousand
    anchors' overlaps would not fit.

    Args:
        losses: float (B, A), of each example.
        classes: int (B, A), 1..K, 0 background, -1 ignored; an ignored example is never kept.
        boxes: float (A, 4) or (B, A, 4), yxyx in pixels: the anchors.
        count: int, examples kept of an image, at most.
        iou_threshold: float; an example goes at a higher IoU with a kept one of higher loss.
        candidates: int, examples of an image that enter suppression. Defaults to 2000.
        negatives_per_positive: number, or `None` to take losses as they come (Table 5.1d, "OHEM"). With 3 ("OHEM
            1:3") a quarter of `count` are objects, those of highest loss, however high backgrounds' losses are; where
            fewer are left after suppression, see `fill`. A quarter of the candidates are then objects too, so that none
            is crowded out before it is counted. Defaults to `None`.
        fill: bool, where objects are fewer than their share, fill the batch with backgrounds as Fast R-CNN (section
            2.3) and its successors do, or if False hold the ratio as SSD (section 2.2) does: no more than 3 backgrounds
            to each object, none in an image without objects. The thesis names SSD, but its results depend on the batch
            size from 128 to 512 (AP 31.1, 28.3, 24.0). Held to the ratio they could not: on photographs of COCO the
            median batch is then 74 for all three, for some 18 objects are left; filled it is 128, 255 and 256, as 2000
            candidates have no more that do not overlap. Defaults to True.

    Returns:
        int32 (B, A), `classes` where an example is kept and -1 elsewhere.

    Raises:
        ValueError: if a number is out of range.

    Example:
        >>> classes = hard_examples(losses, classes, anchors, count=128, iou_threshold=0.5)
    """
    if count < 1 or candidates < count:
        raise ValueError(f"hard_examples: count must be in 1..candidates, received {count} and {candidates}.")
    if negatives_per_positive is not None and negatives_per_positive <= 0:
        raise ValueError(f"negatives_per_positive must be above 0 or None, received {negatives_per_positive}.")
    classes, boxes = tf.cast(classes, tf.int32), tf.cast(boxes, tf.float32)
    losses = tf.stop_gradient(tf.cast(losses, tf.float32))
    positives = round(count / (1 + negatives_per_positive)) if negatives_per_positive is not None else None
    if positives is None:
        losses, indices = _highest(losses, classes >= 0, candidates)
    else:
        places = round(candidates / (1 + negatives_per_positive))
        groups = [_highest(losses, classes > 0, places), _highest(losses, classes == 0, candidates - places)]
        losses, indices = (tf.concat(parts, axis=1) for parts in zip(*groups))
    boxes = tf.gather(boxes, indices, batch_dims=boxes.shape.rank - 2)
    kept, valid = nms(
        boxes, losses, iou_threshold=iou_threshold, max_outputs=count if positives is None else candidates
    )
    kept = tf.gather(indices, kept, batch_dims=1)
    if positives is not None:
        of_kept, ratio = tf.gather(classes, kept, batch_dims=1), None if fill else negatives_per_positive
        valid = _in_ratio(of_kept, valid, count, positives, ratio)
    images = tf.broadcast_to(tf.range(tf.shape(kept)[0])[:, None], tf.shape(kept))
    chosen = tf.tensor_scatter_nd_max(
        tf.zeros_like(classes), tf.stack([images, kept], axis=-1), tf.cast(valid, tf.int32)
    )
    return tf.where(chosen > 0, classes, -1)


def _highest(losses, usable, number):
    """The highest losses of each image and their places; -inf where there are not as many."""
    losses = tf.where(usable, losses, float("-inf"))
    total = losses.shape[1]
    return tf.math.top_k(losses, k=tf.minimum(number, tf.shape(losses)[1]) if total is None else min(number, total))


def _in_ratio(classes, valid, count, positives, negatives_per_positive):
    """Which of the kept examples (B, M), in descending order of loss, make up the mini-batch."""
    positive, negative = valid & (classes > 0), valid & (classes == 0)
    positive &= tf.cumsum(tf.cast(positive, tf.int32), axis=1) <= positives
    number = tf.reduce_sum(tf.cast(positive, tf.int32), axis=1, keepdims=True)
    allowed = count - number
    if negatives_per_positive is not None:
        allowed = tf.minimum(tf.cast(negatives_per_positive * tf.cast(number, tf.float32), tf.int32), allowed)
    return positive | (negative & (tf.cumsum(tf.cast(negative, tf.int32), axis=1) <= allowed))
