"""From the box head's outputs to a fixed number of detections."""

import gin
import keras
import tensorflow as tf

from panet_tf.ops import boxes as box_ops
from panet_tf.ops.class_nms import class_nms


@gin.register(module="panet_tf")
@keras.saving.register_keras_serializable("panet_tf")
class DetectionSelector(keras.layers.Layer):
    """Decodes, clips and thins the boxes of every class, and keeps the best over all classes (Fast R-CNN, section 2.2).

    Args:
        score_threshold: probability that a detection must exceed. Defaults to 0.05.
        iou_threshold: overlap within a class above which the lower score goes. Defaults to 0.5.
        max_detections: int, detections per image. Defaults to 100.
        box_weights: those that the box targets were encoded with. Defaults to (10, 10, 5, 5).
        min_size: sides in network pixels below which a clipped box is dropped. Defaults to 0, which drops boxes without
            area only; torchvision has 0.01.
        pre_nms_top_k: int, candidates of an image that enter suppression, best first, or `None` for all, which only
            the native suppression can afford (see `class_nms`). Defaults to 2000.

    Call arguments: `class_logits` float32 (B, R, K + 1), background first; `box_deltas` float32 (B, R, K or 1, 4);
        `rois` float32 (B, R, 4); `valid` bool (B, R); `image_sizes` float32 (B, 2).

    Output: dict of `"boxes"` float32 (B, D, 4), yxyx in network pixels, `"scores"` float32 (B, D), `"classes"` int32
        (B, D), 0 in empty slots, `"valid"` bool (B, D), sorted by score.
    """

    def __init__(
        self,
        *,
        score_threshold=0.05,
        iou_threshold=0.5,
        max_detections=100,
        box_weights=(10.0, 10.0, 5.0, 5.0),
        min_size=0.0,
        pre_nms_top_k=2000,
        **kwargs,
    ):
        super().__init__(autocast=False, **kwargs)
        self.score_threshold = score_threshold
        self.iou_threshold = iou_threshold
        self.max_detections = max_detections
        self.box_weights = tuple(box_weights)
        self.min_size = min_size
        self.pre_nms_top_k = pre_nms_top_k

    def call(self, class_logits, box_deltas, rois, valid, image_sizes):
        boxes, scores = self.candidates(class_logits, box_deltas, rois, valid, image_sizes)
        return class_nms(
            boxes,
            scores,
            score_threshold=self.score_threshold,
            iou_threshold=self.iou_threshold,
            max_detections=self.max_detections,
            pre_nms_top_k=self.pre_nms_top_k,
        )

    def candidates(self, class_logits, box_deltas, rois, valid, image_sizes):
        """What enters suppression: decoded and clipped boxes, and their scores.

        Args:
            class_logits, box_deltas, rois, valid, image_sizes: as in a call.

        Returns:
            `(boxes, scores)`, float32 (B, R, K or 1, 4), yxyx in network pixels, and (B, R, K), 0 for what cannot be
            detected.
        """
        scores = tf.nn.softmax(tf.cast(class_logits, tf.float32), axis=-1)[..., 1:]
        boxes = box_ops.decode_boxes(box_deltas, rois[:, :, None, :], self.box_weights)
        boxes = box_ops.clip_boxes(boxes, image_sizes[:, None, :])
        sides = boxes[..., 2:] - boxes[..., :2]
        usable = valid[..., None] & tf.reduce_all((sides > 0.0) & (sides >= self.min_size), axis=-1)
        return boxes, tf.where(usable, scores, 0.0)

    def get_config(self):
        return {
            **super().get_config(),
            "score_threshold": self.score_threshold,
            "iou_threshold": self.iou_threshold,
            "max_detections": self.max_detections,
            "box_weights": self.box_weights,
            "min_size": self.min_size,
            "pre_nms_top_k": self.pre_nms_top_k,
        }
