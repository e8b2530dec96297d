"""One later stage of a cascade of box heads."""

import gin
import keras

from panet_tf.models.roi_sampler import RoISampler


@gin.register(module="panet_tf")
@keras.saving.register_keras_serializable("panet_tf")
class CascadeStage(keras.layers.Layer):
    """What a stage after the first adds: how regions are labelled, and a box head of its own.

    Source: Cascade R-CNN, section 4; settings of detectron2's `CascadeROIHeads`.

    Args:
        box_head: layer from pooled features to class logits and box deltas, of one box for all classes as published.
        positive_iou: IoU with an object from which a region is positive in this stage. Published are 0.6 and 0.7.
            Defaults to 0.6.
        box_weights: factors of the four box targets. Published are (20, 20, 10, 10) and (30, 30, 15, 15). Defaults to
            the former.
        roi_sampler: layer like `RoISampler` in place of the two numbers. Defaults to one that keeps all 512 regions of
            the stage before, labels them anew and adds none.

    Example:
        >>> CascadeStage(box_head=BoxHead(num_classes=80, class_agnostic=True), positive_iou=0.6)
    """

    def __init__(self, *, box_head, positive_iou=0.6, box_weights=(20.0, 20.0, 10.0, 10.0), roi_sampler=None, **kwargs):
        super().__init__(autocast=False, **kwargs)
        self.box_head = box_head
        self.roi_sampler = roi_sampler or RoISampler(
            count=512,
            positive_fraction=1.0,
            positive_iou=positive_iou,
            append_boxes=False,
            box_weights=box_weights,
        )

    def build(self, input_shape=None):
        """Nothing to do: the head is built by the model."""
        self.built = True

    def get_config(self):
        return {
            **super().get_config(),
            "box_head": keras.saving.serialize_keras_object(self.box_head),
            "roi_sampler": keras.saving.serialize_keras_object(self.roi_sampler),
        }

    @classmethod
    def from_config(cls, config):
        parts = ("box_head", "roi_sampler")
        return cls(**config | {part: keras.saving.deserialize_keras_object(config[part]) for part in parts})
