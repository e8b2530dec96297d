"""Which anchors train the region proposal network, and on what."""

import gin
import keras
import tensorflow as tf

from panet_tf.ops import boxes as box_ops
from panet_tf.ops.box_matching import match_boxes
from panet_tf.ops.sampling import sample_balanced


@gin.register(module="panet_tf")
@keras.saving.register_keras_serializable("panet_tf")
class AnchorSampler(keras.layers.Layer):
    """Labels anchors by their overlap with the ground truth and draws a balanced sample (Faster R-CNN, section 3.1.2).

    Args:
        positive_iou: IoU from which an anchor is an object. Defaults to 0.7.
        negative_iou: IoU below which it is background; between the two it is ignored. Defaults to 0.3.
        force_matches: bool, whether the anchors that overlap an object most (all ties) are positive in any case.
            Defaults to True, as the paper has it.
        count: int, anchors sampled per image. Defaults to 256.
        positive_fraction: largest share of positives in the sample. Defaults to 0.5.
        crowd_overlap: anchors with more than this share of their area inside a crowd region are ignored; `None`
            ignores crowds altogether. Defaults to 0.5.
        straddle: pixels by which an anchor may leave its image and still be trained on: Detectron and PANet's release
            have 0 (Faster R-CNN, section 3.3). `None` keeps all, as FPN has it (the thesis, section 4.5.1). Defaults to
            `None`.

    Call arguments:
        anchors: float32 (A, 4), yxyx in network pixels.
        boxes: float32 (B, N, 4); classes: int32 (B, N), 0 in empty slots; is_crowd: bool (B, N).
        noise: float32 (B, A) in [0, 1), decides who is drawn.
        image_sizes: float32 (B, 2), valid height and width, for `straddle`.

    Output: dict of `"indices"` int32 (B, count) into the anchors, `"labels"` int32 (B, count): 1 object, 0 background,
        -1 padding, and `"box_deltas"` float32 (B, count, 4), the targets of positives.

    Raises:
        ValueError: when called, if `straddle` is given and `image_sizes` are not.
    """

    def __init__(
        self,
        *,
        positive_iou=0.7,
        negative_iou=0.3,
        force_matches=True,
        count=256,
        positive_fraction=0.5,
        crowd_overlap=0.5,
        straddle=None,
        **kwargs,
    ):
        super().__init__(autocast=False, **kwargs)
        self.positive_iou = positive_iou
        self.negative_iou = negative_iou
        self.force_matches = force_matches
        self.count = count
        self.positive_fraction = positive_fraction
        self.crowd_overlap = crowd_overlap
        self.straddle = straddle

    def call(self, anchors, boxes, classes, is_crowd, noise, image_sizes=None):
        matched, labels = match_boxes(
            boxes,
            anchors,
            (classes > 0) & ~is_crowd,
            positive_threshold=self.positive_iou,
            negative_threshold=self.negative_iou,
            force=self.force_matches,
            crowds=(classes > 0) & is_crowd,
            crowd_overlap=self.crowd_overlap,
            ignored=self._outside(anchors, image_sizes),
        )
        indices, labels = sample_balanced(labels, noise, count=self.count, positive_fraction=self.positive_fraction)
        sampled = tf.gather(anchors, indices)
        targets = tf.gather(boxes, tf.gather(matched, indices, batch_dims=1), batch_dims=1)
        targets = tf.where(labels[..., None] == 1, targets, sampled)  # encodes to zero: never the log of an empty box
        return {"indices": indices, "labels": labels, "box_deltas": box_ops.encode_boxes(targets, sampled)}

    def _outside(self, anchors, image_sizes):
        """bool (B, A), anchors that leave their image by more than is allowed; `None` where all are kept."""
        if self.straddle is None:
            return None
        if image_sizes is None:
            raise ValueError(f"straddle={self.straddle} needs image_sizes (B, 2), received None.")
        over = tf.reduce_any(anchors[:, 2:] > image_sizes[:, None] + self.straddle, axis=-1)
        return over | tf.reduce_any(anchors[:, :2] < -float(self.straddle), axis=-1)

    def get_config(self):
        return {
            **super().get_config(),
            "positive_iou": self.positive_iou,
            "negative_iou": self.negative_iou,
            "force_matches": self.force_matches,
            "count": self.count,
            "positive_fraction": self.positive_fraction,
            "crowd_overlap": self.crowd_overlap,
            "straddle": self.straddle,
        }
