"""The steps of a detector, put together again, against the detector itself."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from panet_tf.inference.detector_stages import DetectorStages
from panet_tf.ops import boxes as box_ops
from panet_tf.ops.class_nms import class_nms
from tests.inference.fake_model import FakeModel
from tests.models.tiny import CATEGORIES, batch_of_boxes, tiny_panet

INPUTS = ("images", "image_sizes", "original_sizes", "scales", "offsets", "image_ids")


@pytest.fixture(scope="module")
def stages():
    keras.utils.set_random_seed(0)
    return DetectorStages(tiny_panet())


@pytest.fixture(scope="module")
def inputs():
    batch = batch_of_boxes()
    return {key: tf.constant(batch[key]) for key in INPUTS}


def test_steps_are_those_of_the_model(stages, inputs):
    expected = stages.model(inputs, training=False)
    boxes, scores = stages.boxes(inputs)
    assert boxes.shape == (2, 8, 2, 4) and scores.shape == (2, 8, 2)
    found = class_nms(boxes, scores, score_threshold=0.0, iou_threshold=0.5, max_detections=6)
    np.testing.assert_allclose(found["scores"], expected["scores"], atol=1e-6)
    np.testing.assert_allclose(found["boxes"], expected["boxes"], atol=1e-3)  # pixels
    masks = stages.masks(inputs, expected["boxes"], expected["classes"])
    there = tf.sequence_mask(expected["num_detections"], 6)
    np.testing.assert_allclose(masks[there], expected["masks"][there], atol=1e-4)
    assert stages.has_masks and not stages.has_keypoints


def test_given_proposals_are_the_ones_that_are_classified(stages, inputs):
    boxes, scores = stages.boxes(inputs)
    proposals = stages.proposals(inputs)
    assert proposals.shape == (2, 8, 4)
    given = box_ops.to_network(proposals, inputs["scales"], inputs["offsets"])
    again = stages.boxes({**inputs, "proposals": given})
    np.testing.assert_allclose(again[0], boxes, atol=1e-3)  # pixels
    np.testing.assert_allclose(again[1], scores, atol=1e-5)
    empty = stages.boxes({**inputs, "proposals": tf.zeros_like(given)})
    assert not empty[1].numpy().any()
    assert stages.traces["boxes"] == 2 and stages.traces["proposals"] == 1  # one a structure, not one a call


def test_detections_of_other_models_stand_for_themselves(inputs):
    model = FakeModel(CATEGORIES)
    stages = DetectorStages(model)
    assert not (stages.two_stages or stages.has_masks or stages.has_keypoints)
    found = model(inputs, training=False)
    boxes, scores = stages.boxes(inputs)
    np.testing.assert_array_equal(boxes[:, :, 0], found["boxes"])
    for image, row in np.ndindex(*found["scores"].shape):
        expected = np.zeros(2)
        if found["classes"][image, row] > 0:
            expected[found["classes"][image, row] - 1] = found["scores"][image, row]
        np.testing.assert_array_equal(scores[image, row], expected)
