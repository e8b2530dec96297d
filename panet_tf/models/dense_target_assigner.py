"""What every anchor of a dense detector is to learn."""

import gin
import keras
import tensorflow as tf

from panet_tf.ops import boxes as box_ops
from panet_tf.ops.box_matching import match_boxes


@gin.register(module="panet_tf")
@keras.saving.register_keras_serializable("panet_tf")
class DenseTargetAssigner(keras.layers.Layer):
    """Gives every anchor a class and a box by its overlap with the ground truth; nothing is sampled.

    Source: Lin's thesis, section 5.4.2, "Label Assignment".

    Args:
        positive_iou: IoU from which an anchor is its best object's. Defaults to 0.5.
        negative_iou: IoU below which it is background; between the two it is ignored. Defaults to 0.4.
        force_matches: bool, whether the anchors that overlap an object most (all ties) are positive in any case.
            Defaults to False, as in the thesis; torchvision and detectron2 do it.
        crowd_overlap: anchors with more than this share of their area inside a crowd region are ignored; `None`
            ignores crowds altogether. Defaults to 0.5.
        box_weights: that box targets are multiplied by. Defaults to (1, 1, 1, 1).

    Call arguments: `anchors` float32 (A, 4), yxyx in network pixels; `boxes` float32 (B, N, 4); `classes` int32 (B, N),
        0 in empty slots; `is_crowd` bool (B, N).

    Output: dict of `"classes"` int32 (B, A), 1..K, 0 background, -1 ignored; `"matched"` int32 (B, A), the slot that an
        anchor overlaps most; and `"box_deltas"` float32 (B, A, 4), targets of positives, zeros elsewhere.
    """

    def __init__(
        self,
        *,
        positive_iou=0.5,
        negative_iou=0.4,
        force_matches=False,
        crowd_overlap=0.5,
        box_weights=(1.0, 1.0, 1.0, 1.0),
        **kwargs,
    ):
        super().__init__(autocast=False, **kwargs)
        self.positive_iou = positive_iou
        self.negative_iou = negative_iou
        self.force_matches = force_matches
        self.crowd_overlap = crowd_overlap
        self.box_weights = tuple(box_weights)

    def call(self, anchors, boxes, classes, is_crowd):
        matched, labels = match_boxes(
            boxes,
            anchors,
            (classes > 0) & ~is_crowd,
            positive_threshold=self.positive_iou,
            negative_threshold=self.negative_iou,
            force=self.force_matches,
            crowds=(classes > 0) & is_crowd,
            crowd_overlap=self.crowd_overlap,
        )
        positive = labels == 1
        own = tf.gather(boxes, matched, batch_dims=1)
        own = tf.where(positive[..., None], own, anchors)  # encodes to zero: never the log of an empty box
        return {
            "classes": tf.where(positive, tf.gather(classes, matched, batch_dims=1), labels),
            "matched": matched,
            "box_deltas": box_ops.encode_boxes(own, anchors, self.box_weights),
        }

    def get_config(self):
        return {
            **super().get_config(),
            "positive_iou": self.positive_iou,
            "negative_iou": self.negative_iou,
            "force_matches": self.force_matches,
            "crowd_overlap": self.crowd_overlap,
            "box_weights": self.box_weights,
        }
