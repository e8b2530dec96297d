"""A region proposal network and a detector that share nothing."""

import keras

from panet_tf.models.detector import TARGETS
from panet_tf.models.detector_inputs import complete_inputs
from panet_tf.ops import boxes as box_ops


@keras.saving.register_keras_serializable("panet_tf")
class UnsharedRCNN(keras.Model):
    """Proposals of one network, classified by another: two backbones, trained one after the other.

    It is how the tables of the thesis (4.2, 4.3), of Mask R-CNN and of PANet ("the backbone is not shared", section 4)
    were made. Together they are one model for `evaluate`, the predictor and `.keras` files; it is not trained.

    Args:
        first: model that predicts proposals, such as `proposer` makes.
        second: `RCNN` without an `rpn_head`, such as `fast_rcnn` makes, of the same categories.

    Input and output: as of `RCNN`.

    Raises:
        ValueError: if the categories differ, or the second model proposes by itself.

    Example:
        >>> model = UnsharedRCNN(first=load_model("runs/1_rpn"), second=load_model("runs/2_detector"))
    """

    def __init__(self, *, first, second, **kwargs):
        super().__init__(autocast=False, **kwargs)
        one, other = ([(c["id"], c["name"]) for c in model.categories] for model in (first, second))
        if one != other:
            raise ValueError(f"both models must have the same categories, received {one} and {other}.")
        if second.rpn_head is not None:
            raise ValueError(f"the second model takes its regions from the first, received {second.name} with an RPN.")
        self.first, self.second = first, second
        self.built = True

    def build(self, input_shape=None):
        """Nothing to do: both models are built."""

    @property
    def categories(self):
        """Those of both."""
        return self.second.categories

    @property
    def max_detections(self):
        """Detections per image, at most."""
        return self.second.max_detections

    @property
    def preprocessing(self):
        """The detector's."""
        return self.second.preprocessing

    @property
    def whole_pixels(self):
        """The detector's rule by which masks are pasted."""
        return self.second.whole_pixels

    @property
    def mask_head(self):
        """The detector's, or `None`: exports with masks have a signature of their own."""
        return self.second.mask_head

    @property
    def keypoint_head(self):
        """The detector's, or `None`: it says how the predictor reads keypoints."""
        return self.second.keypoint_head

    @property
    def panoptic_merger(self):
        """The detector's, or `None`."""
        return self.second.panoptic_merger

    @property
    def panoptic_categories(self):
        """The detector's, or `None`."""
        return self.second.panoptic_categories

    def call(self, inputs, training=False):
        inputs = {key: value for key, value in complete_inputs(inputs).items() if key not in TARGETS}
        proposed = self.first(inputs, training=False)
        regions = box_ops.to_network(proposed["boxes"], inputs["scales"], inputs["offsets"])
        inputs |= {"proposals": regions, "proposal_scores": proposed["scores"]}
        return self.second(inputs, training=False)

    def predict_step(self, data):
        """Detections of one batch; targets that a validation set carries are left aside."""
        x, _, _ = keras.utils.unpack_x_y_sample_weight(data)
        return self(x, training=False)

    def get_config(self):
        parts = {"first": self.first, "second": self.second}
        return {"name": self.name} | {key: keras.saving.serialize_keras_object(part) for key, part in parts.items()}

    @classmethod
    def from_config(cls, config):
        return cls(**{key: keras.saving.deserialize_keras_object(value) for key, value in config.items()})
