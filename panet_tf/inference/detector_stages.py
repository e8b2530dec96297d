"""A detector's steps as functions of their own, for what looks at an image more than once."""

import tensorflow as tf

from panet_tf.models import box_branch, mask_branch, rpn_branch
from panet_tf.models.detector_inputs import complete_inputs
from panet_tf.models.rcnn import RCNN
from panet_tf.ops import boxes as box_ops


class DetectorStages:
    """Proposals, boxes before suppression, masks and keypoints of a model: functions, each traced once a canvas.

    Of a model that is no two-stage detector (RetinaNet, a function) the boxes are its detections.

    Args:
        model: `RCNN`, or anything that a `Predictor` takes.
        jit_compile: bool, whether each step is compiled with XLA. Defaults to False.

    Example:
        >>> boxes, scores = DetectorStages(model).boxes(inputs)
    """

    def __init__(self, model, *, jit_compile=False):
        self.model, self._jit_compile = model, jit_compile
        self.two_stages = isinstance(model, RCNN) and model.box_head is not None
        self.has_masks = self.two_stages and model.mask_head is not None
        self.has_keypoints = self.two_stages and model.keypoint_head is not None
        self.traces = {"proposals": 0, "boxes": 0, "masks": 0, "keypoints": 0}
        self.proposals = self._traced("proposals", self._proposals)
        self.boxes = self._traced("boxes", self._boxes)
        self.masks = self._traced("masks", self._masks)
        self.keypoints = self._traced("keypoints", self._keypoints)

    def _traced(self, name, function):
        def counted(*args):
            self.traces[name] += 1
            return function(*args)

        return tf.function(counted, autograph=False, jit_compile=self._jit_compile)

    def _proposals(self, inputs):
        """float32 (B, P, 4), yxyx in original pixels, zeros where there are fewer."""
        inputs = complete_inputs(inputs)
        found = rpn_branch.propose(self.model, self.model.features(inputs["images"]), inputs, False)
        boxes = box_ops.to_original(found["boxes"], inputs["scales"], inputs["offsets"])
        return tf.where(found["valid"][..., None], boxes, 0.0)

    def _boxes(self, inputs):
        """Boxes float32 (B, P, K or 1, 4), yxyx in original pixels, and scores (B, P, K), 0 for what is no detection.

        Where the inputs hold `proposals`, in network pixels, these are classified and no others.
        """
        inputs = complete_inputs(inputs)
        if not self.two_stages:
            found = self.model(inputs, training=False)
            kinds = tf.one_hot(found["classes"] - 1, len(self.model.categories))
            return found["boxes"][:, :, None], kinds * tf.cast(found["scores"], tf.float32)[..., None]
        levels = self.model.features(inputs["images"])
        given = "proposals" in inputs
        proposals = (
            rpn_branch.given_proposals(inputs) if given else rpn_branch.propose(self.model, levels, inputs, False)
        )
        boxes, scores = box_branch.candidates(self.model, levels, proposals, inputs)
        flat = tf.reshape(boxes, (tf.shape(boxes)[0], -1, 4))
        flat = box_ops.to_original(flat, inputs["scales"], inputs["offsets"])
        return tf.reshape(flat, tf.shape(boxes)), scores

    def _masks(self, inputs, boxes, classes):
        """Probabilities float32 (B, D, m, m) inside boxes (B, D, 4) of original pixels, for their classes (B, D)."""
        inputs = complete_inputs(inputs)
        levels = self.model.features(inputs["images"])
        boxes = box_ops.to_network(boxes, inputs["scales"], inputs["offsets"])
        found = {"boxes": boxes, "rois": boxes, "classes": classes, "valid": classes > 0}
        return tf.cast(mask_branch.outputs(self.model, levels, found, inputs)["masks"], tf.float32)

    def _keypoints(self, inputs, boxes):
        """Logits float32 (B, D, S, S, J) over boxes (B, D, 4) of original pixels."""
        inputs = complete_inputs(inputs)
        levels = self.model.features(inputs["images"])
        boxes = box_ops.to_network(boxes, inputs["scales"], inputs["offsets"])
        pooled = self.model.pool(levels, boxes, self.model.keypoint_pooling)
        return tf.cast(self.model.keypoint_head(pooled), tf.float32)
