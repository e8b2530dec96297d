"""Which proposals train the heads, and on what."""

import gin
import keras
import tensorflow as tf

from panet_tf.ops import boxes as box_ops
from panet_tf.ops.box_matching import match_boxes
from panet_tf.ops.sampling import sample_balanced


@gin.register(module="panet_tf")
@keras.saving.register_keras_serializable("panet_tf")
class RoISampler(keras.layers.Layer):
    """Draws a balanced sample of regions of interest and their targets (Fast R-CNN, section 2.3; PANet, section 4.1).

    Args:
        count: int, regions per image. Defaults to 512.
        positive_fraction: largest share of positives. Defaults to 0.25, one to three.
        positive_iou: IoU with an object from which a region is positive; below, it is background. Defaults to 0.5.
        append_boxes: bool, whether the ground-truth boxes join the proposals. Defaults to True.
        box_weights: factors of the four box targets. Defaults to (10, 10, 5, 5).
        crowd_overlap: regions with more than this share of their area inside a crowd are ignored; `None` turns it off.
            Defaults to 0.5.
        background_iou: IoU with some object that background needs. Fast R-CNN's 0.1 draws it from near the objects.
            Defaults to 0.

    Call arguments:
        proposals: float32 (B, P, 4), yxyx in network pixels; valid: bool (B, P).
        boxes: float32 (B, N, 4); classes: int32 (B, N), 0 in empty slots; is_crowd: bool (B, N).
        noise: float32 (B, P + N) in [0, 1), decides who is drawn ((B, P) without `append_boxes`).

    Output: dict of `"rois"` float32 (B, count, 4); `"classes"` int32 (B, count): 1..K object, 0 background, -1 padding;
        `"matched"` int32 (B, count), the object's slot; `"box_deltas"` float32 (B, count, 4). Positives come first, so
        all of them lie in the first `num_positive` rows.
    """

    def __init__(
        self,
        *,
        count=512,
        positive_fraction=0.25,
        positive_iou=0.5,
        append_boxes=True,
        box_weights=(10.0, 10.0, 5.0, 5.0),
        crowd_overlap=0.5,
        background_iou=0.0,
        **kwargs,
    ):
        super().__init__(autocast=False, **kwargs)
        self.count = count
        self.positive_fraction = positive_fraction
        self.positive_iou = positive_iou
        self.append_boxes = append_boxes
        self.box_weights = tuple(box_weights)
        self.crowd_overlap = crowd_overlap
        self.background_iou = background_iou
        self.num_positive = round(count * positive_fraction)

    def call(self, proposals, valid, boxes, classes, is_crowd, noise):
        proposals, matched, labels = self._labelled(proposals, valid, boxes, classes, is_crowd)
        indices, labels = sample_balanced(labels, noise, count=self.count, positive_fraction=self.positive_fraction)
        return self._with_targets(proposals, matched, indices, labels, boxes, classes)

    def _labelled(self, proposals, valid, boxes, classes, is_crowd):
        """Candidates (B, A, 4), the slots that they match (B, A) and labels (B, A): 1, 0, or -1 for none."""
        objects = (classes > 0) & ~is_crowd
        if self.append_boxes:
            proposals = tf.concat([proposals, boxes], axis=1)
            valid = tf.concat([valid, objects], axis=1)
        matched, labels = match_boxes(
            boxes,
            proposals,
            objects,
            positive_threshold=self.positive_iou,
            negative_threshold=self.positive_iou,
            crowds=(classes > 0) & is_crowd,
            crowd_overlap=self.crowd_overlap,
        )
        if self.background_iou:
            lowest = self.background_iou
            _, near = match_boxes(boxes, proposals, objects, positive_threshold=lowest, negative_threshold=lowest)
            labels = tf.where((labels == 0) & (near < 1), -1, labels)
        return proposals, matched, tf.where(valid, labels, -1)

    def _with_targets(self, proposals, matched, indices, labels, boxes, classes):
        """The sample of the candidates at `indices` (B, R), labelled `labels`, with what they are trained on."""
        rois = tf.stop_gradient(tf.gather(proposals, indices, batch_dims=1))
        matched = tf.gather(matched, indices, batch_dims=1)
        roi_classes = tf.where(labels == 1, tf.gather(classes, matched, batch_dims=1), labels)
        targets = tf.where(labels[..., None] == 1, tf.gather(boxes, matched, batch_dims=1), rois)
        # Padding and degenerate boxes encode to zero, never to the log of an empty side.
        deltas = tf.where(labels[..., None] == 1, box_ops.encode_boxes(targets, rois, self.box_weights), 0.0)
        return {"rois": rois, "classes": roi_classes, "matched": matched, "box_deltas": tf.stop_gradient(deltas)}

    def get_config(self):
        return {
            **super().get_config(),
            "count": self.count,
            "positive_fraction": self.positive_fraction,
            "positive_iou": self.positive_iou,
            "append_boxes": self.append_boxes,
            "box_weights": self.box_weights,
            "crowd_overlap": self.crowd_overlap,
            "background_iou": self.background_iou,
        }
