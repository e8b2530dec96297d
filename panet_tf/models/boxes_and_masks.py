"""Boxes of one detector and masks of another."""

import keras
import tensorflow as tf

from panet_tf.models import mask_branch
from panet_tf.models.detector import TARGETS
from panet_tf.models.detector_inputs import complete_inputs
from panet_tf.ops import boxes as box_ops


@keras.saving.register_keras_serializable("panet_tf")
class BoxesAndMasks(keras.Model):
    """A detector's boxes with another model's masks inside them: two networks that were trained apart.

    PANet's Tables 3 and 4 report "an independently trained object detector" beside the model with masks. Together they
    are one model for `evaluate`, the predictor and `.keras` files; it is not trained.

    Args:
        detector: model that predicts boxes, such as an `RCNN` without masks.
        segmenter: `RCNN` with a mask head, of the same categories.

    Input and output: as of `RCNN`.

    Raises:
        ValueError: if the categories differ, or the segmenter has no mask head or takes masks from the features that
            boxes came from.

    Example:
        >>> model = BoxesAndMasks(detector=load_model("runs/detector"), segmenter=load_model("runs/panet"))
        >>> evaluate(model, eval_data)["segm/AP"]
    """

    def __init__(self, *, detector, segmenter, **kwargs):
        super().__init__(autocast=False, **kwargs)
        one, other = ([(c["id"], c["name"]) for c in model.categories] for model in (detector, segmenter))
        if one != other:
            raise ValueError(f"detector and segmenter must have the same categories, received {one} and {other}.")
        if getattr(segmenter, "mask_head", None) is None or segmenter.interleaving == "reuse":
            raise ValueError(
                f"the segmenter must predict masks in any box, received mask_head={segmenter.mask_head} and "
                f"interleaving={segmenter.interleaving!r}."
            )
        self.detector, self.segmenter = detector, segmenter
        self.built = True

    def build(self, input_shape=None):
        """Nothing to do: both models are built."""

    @property
    def categories(self):
        """Those of both."""
        return self.detector.categories

    @property
    def max_detections(self):
        """Detections per image, at most."""
        return self.detector.max_detections

    @property
    def preprocessing(self):
        """The detector's."""
        return self.detector.preprocessing

    @property
    def whole_pixels(self):
        """The segmenter's rule by which masks are pasted."""
        return self.segmenter.whole_pixels

    @property
    def mask_head(self):
        """The segmenter's: exports with masks have a signature of their own."""
        return self.segmenter.mask_head

    @property
    def takes_proposals(self):
        """Whether the detector's regions come with the inputs."""
        return getattr(self.detector, "takes_proposals", False)

    def call(self, inputs, training=False):
        inputs = complete_inputs(inputs)
        inputs = {key: value for key, value in inputs.items() if key not in TARGETS}
        outputs = self.detector(inputs, training=False)
        boxes = box_ops.to_network(outputs["boxes"], inputs["scales"], inputs["offsets"])
        found = {"boxes": boxes, "rois": boxes, "classes": outputs["classes"], "valid": outputs["classes"] > 0}
        levels = self.segmenter.features(inputs["images"])
        masks = mask_branch.outputs(self.segmenter, levels, found, inputs)["masks"]
        return {**outputs, "masks": tf.cast(masks, tf.float32)}

    def predict_step(self, data):
        """Detections of one batch; targets that a validation set carries are left aside."""
        x, _, _ = keras.utils.unpack_x_y_sample_weight(data)
        return self(x, training=False)

    def get_config(self):
        parts = {"detector": self.detector, "segmenter": self.segmenter}
        return {"name": self.name} | {key: keras.saving.serialize_keras_object(part) for key, part in parts.items()}

    @classmethod
    def from_config(cls, config):
        return cls(**{key: keras.saving.deserialize_keras_object(value) for key, value in config.items()})
