"""From a dense detector's outputs to a fixed number of detections."""

import gin
import keras
import tensorflow as tf

from panet_tf.ops.class_nms import class_nms
from panet_tf.ops.dense_candidates import dense_candidates


@gin.register(module="panet_tf")
@keras.saving.register_keras_serializable("panet_tf")
class DenseDetectionSelector(keras.layers.Layer):
    """Decodes the best of every level, thins them within their classes, and keeps the best over all classes and levels.

    Source: Lin's thesis, section 5.4, "Inference".

    Args:
        score_threshold: probability that a detection must exceed. Defaults to 0.05.
        pre_nms_top_k: int, pairs of anchor and class that are decoded of a level, best first. Defaults to 1000.
        iou_threshold: overlap within a class above which the lower score goes. Defaults to 0.5.
        max_detections: int, detections per image. Defaults to 100; torchvision has 300.
        box_weights: those that the box targets were encoded with. Defaults to (1, 1, 1, 1).
        max_candidates: int, pairs of all levels together that enter suppression, best first, or `None` for all.
            Defaults to `None`; under XLA suppression takes memory by its square.

    Call arguments: `class_logits` and `box_deltas`, dicts of levels, float32 (B, A, K) and (B, A, 4); `anchors`, dict
        of float32 (A, 4); `image_sizes`, float32 (B, 2).

    Output: dict of `"boxes"` float32 (B, D, 4), yxyx in network pixels, `"scores"` float32 (B, D), `"classes"` int32
        (B, D), 0 in empty slots, `"valid"` bool (B, D), sorted by score.
    """

    def __init__(
        self,
        *,
        score_threshold=0.05,
        pre_nms_top_k=1000,
        iou_threshold=0.5,
        max_detections=100,
        box_weights=(1.0, 1.0, 1.0, 1.0),
        max_candidates=None,
        **kwargs,
    ):
        super().__init__(autocast=False, **kwargs)
        self.score_threshold = score_threshold
        self.pre_nms_top_k = pre_nms_top_k
        self.iou_threshold = iou_threshold
        self.max_detections = max_detections
        self.box_weights = tuple(box_weights)
        self.max_candidates = max_candidates

    def call(self, class_logits, box_deltas, anchors, image_sizes):
        num_classes = next(iter(class_logits.values())).shape[-1]
        boxes, scores, classes = dense_candidates(
            class_logits,
            box_deltas,
            anchors,
            image_sizes,
            score_threshold=self.score_threshold,
            pre_nms_top_k=self.pre_nms_top_k,
            weights=self.box_weights,
        )
        own = classes[..., None] == tf.range(1, num_classes + 1)
        found = class_nms(
            boxes[:, :, None, :],
            tf.where(own, scores[..., None], 0.0),
            score_threshold=self.score_threshold,
            iou_threshold=self.iou_threshold,
            max_detections=self.max_detections,
            pre_nms_top_k=min(self.max_candidates or scores.shape[1], scores.shape[1]),
        )
        return {name: found[name] for name in ("boxes", "scores", "classes", "valid")}

    def get_config(self):
        return {
            **super().get_config(),
            "score_threshold": self.score_threshold,
            "pre_nms_top_k": self.pre_nms_top_k,
            "iou_threshold": self.iou_threshold,
            "max_detections": self.max_detections,
            "box_weights": self.box_weights,
            "max_candidates": self.max_candidates,
        }
