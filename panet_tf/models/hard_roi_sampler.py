"""Online hard example mining of regions of interest."""

import gin
import keras
import tensorflow as tf

from panet_tf.losses.hard_examples import hard_examples
from panet_tf.models.roi_sampler import RoISampler
from panet_tf.ops.sampling import sample_balanced


@gin.register(module="panet_tf")
@keras.saving.register_keras_serializable("panet_tf")
class HardRoISampler(RoISampler):
    """Trains the heads on the regions that they are worst at (OHEM; Shrivastava et al., 2016, section 4).

    In place of `RoISampler`: the box head first looks at every proposal, without being trained (frozen statistics, no
    gradient); of regions that overlap by more than `iou_threshold` the one of highest loss is kept, and the `count`
    highest losses of each image make the mini-batch, whatever their share of objects. Masks and keypoints are trained
    on the objects among them.

    The first look costs the box head's inference on all proposals, 2,000 in training, but no memory for gradients.

    Args:
        count: int, regions per image. Defaults to 64, the paper's 128 of two images.
        iou_threshold: float, overlap above which the lower loss goes. Defaults to 0.7.
        candidates: int, regions of highest loss of an image that enter suppression. Defaults to 2000.
        positive_iou, append_boxes, box_weights, crowd_overlap: as in `RoISampler`.

    Call arguments and output: as in `RoISampler`, but with every candidate as a row; `hardest` then chooses.

    Raises:
        ValueError: if there would be fewer candidates than regions.

    Example:
        >>> model = faster_rcnn(categories=categories, roi_sampler=HardRoISampler(count=64))
    """

    def __init__(
        self,
        *,
        count=64,
        iou_threshold=0.7,
        candidates=2000,
        positive_iou=0.5,
        append_boxes=True,
        box_weights=(10.0, 10.0, 5.0, 5.0),
        crowd_overlap=0.5,
        **kwargs,
    ):
        super().__init__(
            count=count,
            positive_fraction=1.0,
            positive_iou=positive_iou,
            append_boxes=append_boxes,
            box_weights=box_weights,
            crowd_overlap=crowd_overlap,
            **kwargs,
        )
        if candidates < count:
            raise ValueError(f"candidates must be at least count, received {candidates} and {count}.")
        self.iou_threshold = iou_threshold
        self.candidates = candidates

    def call(self, proposals, valid, boxes, classes, is_crowd, noise):
        proposals, matched, labels = self._labelled(proposals, valid, boxes, classes, is_crowd)
        indices = tf.broadcast_to(tf.range(tf.shape(labels)[1]), tf.shape(labels))
        return self._with_targets(proposals, matched, indices, labels, boxes, classes)

    def hardest(self, sample, losses):
        """The rows of a sample that are trained on.

        Args:
            sample: dict that a call gave, (B, A, ...).
            losses: float32 (B, A), of each row, at least 0.

        Returns:
            dict of the same keys, (B, count, ...), objects first, each kind by descending loss.
        """
        losses = tf.stop_gradient(losses)
        chosen = hard_examples(
            losses,
            sample["classes"],
            sample["rois"],
            count=self.count,
            iou_threshold=self.iou_threshold,
            candidates=self.candidates,
        )
        rows, labels = sample_balanced(tf.sign(chosen), losses, count=self.count, positive_fraction=1.0)
        found = {name: tf.gather(value, rows, batch_dims=1) for name, value in sample.items()}
        padding = labels < 0
        return found | {
            "classes": tf.where(padding, -1, found["classes"]),
            "box_deltas": tf.where(padding[..., None], 0.0, found["box_deltas"]),
        }

    def get_config(self):
        config = {**super().get_config(), "iou_threshold": self.iou_threshold, "candidates": self.candidates}
        config.pop("positive_fraction")
        return config
