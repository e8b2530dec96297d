"""The last step of a detector: non-maximum suppression within each class, then the best over all classes."""

import tensorflow as tf

from panet_tf.ops import boxes as box_ops
from panet_tf.ops import xla
from panet_tf.ops.nms import first_kept, greedy_keep, nms


def class_nms(
    boxes,
    scores,
    *,
    score_threshold,
    iou_threshold,
    max_detections,
    pre_nms_top_k=2000,
    implementation="auto",
):
    """Detections of each image from every RoI's class scores.

    A RoI gives one candidate for each class that scores above `score_threshold`. Candidates of a class suppress each
    other, never those of another class; the best `max_detections` of all classes remain. Source: Fast R-CNN, section
    3.1 (NMS independently for each class); the limit over classes is that of COCO's evaluation.

    Args:
        boxes: float (B, R, K, 4), one box a class, or (B, R, 1, 4), one for all; yxyx in pixels.
        scores: float (B, R, K), probabilities without background.
        score_threshold: float, only higher scores are candidates.
        iou_threshold: float, 0 to 1; a candidate goes at a higher IoU with a better one.
        max_detections: int D, places in the result.
        pre_nms_top_k: int or None, candidates of an image that enter suppression, best first. At COCO's thresholds
            trained models stay far below the default of 2000. None takes all R * K: cheap in `"native"`, (R * K)^2
            memory in `"matrix"`.
        implementation: `"auto"`, `"native"` or `"matrix"`, as in `nms`; the results are the same.

    Returns:
        dict of `boxes` float32 (B, D, 4), `scores` float32 (B, D) in descending order, `classes` int32 (B, D) from 1
        (column k of `scores` is class k + 1), `roi_indices` int32 (B, D) into R and `valid` bool (B, D); zeros in
        empty places. Equal scores come by lower class, then by lower RoI.

    Raises:
        ValueError: on shapes that do not belong together.
    """
    boxes = tf.stop_gradient(tf.cast(boxes, tf.float32))
    scores = tf.stop_gradient(tf.cast(scores, tf.float32))
    num_rois, num_classes = scores.shape[-2], scores.shape[-1]
    if boxes.shape.rank != 4 or boxes.shape[2] not in (1, num_classes) or num_rois is None:
        raise ValueError(
            "class_nms: boxes must be (B, R, K, 4) or (B, R, 1, 4) for scores (B, R, K) with static R and K, "
            f"received {boxes.shape} and {scores.shape}."
        )
    implementation = xla.choose_implementation(implementation, "native", "matrix", "class_nms")
    # Class-major candidates: index = class * R + RoI.
    boxes = tf.transpose(boxes, (0, 2, 1, 3))
    flat_scores = tf.reshape(tf.transpose(scores, (0, 2, 1)), (-1, num_classes * num_rois))
    flat_scores = tf.where(flat_scores > score_threshold, flat_scores, float("-inf"))
    number = num_classes * num_rois if pre_nms_top_k is None else min(pre_nms_top_k, num_classes * num_rois)
    top_scores, candidates = tf.math.top_k(flat_scores, k=number)
    suppress = _native if implementation == "native" else _matrix
    chosen, valid = suppress(boxes, flat_scores, top_scores, candidates, iou_threshold, max_detections)
    detections = {
        "boxes": _gather_boxes(boxes, chosen, num_rois),
        "scores": tf.gather(flat_scores, chosen, batch_dims=1),
        "classes": chosen // num_rois + 1,
        "roi_indices": chosen % num_rois,
    }
    empty = {name: tf.zeros_like(value) for name, value in detections.items()}
    detections = {
        name: tf.where(valid[..., None] if name == "boxes" else valid, value, empty[name])
        for name, value in detections.items()
    }
    return {**detections, "valid": valid}


def _gather_boxes(boxes, candidates, num_rois):
    """Boxes (B, 1 or K, R, 4) of class-major candidates (B, D) -> (B, D, 4)."""
    rows = candidates % num_rois if boxes.shape[1] == 1 else candidates
    return tf.gather(tf.reshape(boxes, (-1, boxes.shape[1] * num_rois, 4)), rows, batch_dims=1)


def _native(boxes, flat_scores, top_scores, candidates, iou_threshold, max_detections):
    """One kernel call for each class of each image, over the scores that are among the candidates."""
    num_rois = boxes.shape[2]
    num_classes = flat_scores.shape[1] // num_rois
    if candidates.shape[1] < flat_scores.shape[1]:
        # Candidates are the best with ties by lower index: all above the last one's score, and of its equals the
        # first few.
        last_score, last = top_scores[:, -1:], candidates[:, -1:]
        index = tf.range(flat_scores.shape[1])[None, :]
        chosen = (flat_scores > last_score) | ((flat_scores == last_score) & (index <= last))
        flat_scores = tf.where(chosen, flat_scores, float("-inf"))
    scores = tf.reshape(flat_scores, (-1, num_classes, num_rois))
    per_class = min(max_detections, num_rois)
    indices, valid = nms(
        tf.broadcast_to(boxes, tf.concat([tf.shape(scores), [4]], axis=0)),
        scores,
        iou_threshold=iou_threshold,
        max_outputs=per_class,
        implementation="native",
    )
    kept_scores = tf.where(valid, tf.gather(scores, indices, batch_dims=2), float("-inf"))
    indices = indices + (tf.range(num_classes) * num_rois)[:, None]
    kept_scores = tf.reshape(kept_scores, (-1, num_classes * per_class))
    indices = tf.reshape(indices, (-1, num_classes * per_class))
    missing = max(0, max_detections - num_classes * per_class)
    kept_scores = tf.pad(kept_scores, [[0, 0], [0, missing]], constant_values=float("-inf"))
    indices = tf.pad(indices, [[0, 0], [0, missing]])
    kept_scores, ranks = tf.math.top_k(kept_scores, k=max_detections)
    valid = kept_scores > float("-inf")
    return tf.where(valid, tf.gather(indices, ranks, batch_dims=1), 0), valid


def _matrix(boxes, flat_scores, top_scores, candidates, iou_threshold, max_detections):
    """One matrix an image, in which candidates of different classes do not overlap."""
    num_rois = boxes.shape[2]
    of_candidates = _gather_boxes(boxes, candidates, num_rois)
    classes = candidates // num_rois
    overlaps = box_ops.pairwise_iou(of_candidates, of_candidates) > iou_threshold
    overlaps &= classes[:, :, None] == classes[:, None, :]
    ranks, valid = first_kept(greedy_keep(overlaps, top_scores > float("-inf")), max_detections)
    return tf.where(valid, tf.gather(candidates, ranks, batch_dims=1), 0), valid
