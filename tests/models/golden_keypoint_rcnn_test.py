"""torchvision's Keypoint R-CNN, stage by stage, from weights that went through the importer; its boxes are Faster
R-CNN's, so this is the record of that one too."""

import types

import numpy as np
import pytest
import tensorflow as tf

from panet_tf.models.torchvision_rcnn import torchvision_rcnn
from panet_tf.ops.boxes import clip_boxes, decode_boxes, to_network, to_original
from panet_tf.ops.keypoint_decoding import decode_exactly
from panet_tf.weights import load
from tests.models.golden_stages import (
    LEVELS,
    PIXELS,
    feature_errors,
    matched,
    network_inputs,
    recorded_rpn,
    relative,
    yxyx,
)
from tests.torchvision_shapes import torchvision_shapes

pytestmark = pytest.mark.golden

CLASSES = 2  # background included


@pytest.fixture(scope="module")
def values(golden):
    return dict(golden("keypointrcnn"))


@pytest.fixture(scope="module")
def weights(values, seeded):
    number = values["keypoints"].shape[1]
    shapes = torchvision_shapes(CLASSES, masks=False, keypoints=(number, 512))
    return {name: seeded.seeded(name, shape, int(values["seed"])) for name, shape in shapes.items()}


@pytest.fixture(scope="module")
def loaded(weights, values):
    names = [str(i) for i in range(values["keypoints"].shape[1])]
    person = {"id": 1, "name": "person", "keypoints": names}
    model = torchvision_rcnn(categories=[person], keypoints=True, epsilon=1e-5)
    return model, load(model, weights, verbose=False)


@pytest.fixture(scope="module")
def model(loaded):
    return loaded[0]


@pytest.fixture(scope="module")
def inputs(values, seeded):
    return network_inputs(values, seeded)


@pytest.fixture(scope="module")
def stages(model, inputs, values):
    """What the network computes, each head from the recorded regions."""
    levels = model.features(inputs["images"])
    proposals = yxyx(values["proposals"])[None]
    boxes = to_network(yxyx(values["boxes"])[None], inputs["scales"], inputs["offsets"])
    box_features = model.box_pooling(levels, proposals)
    return types.SimpleNamespace(
        levels=levels,
        rpn=model.rpn_head(levels),
        anchors=model.anchor_generator(levels, image_size=inputs["images"].shape[1:3]),
        proposals=tf.constant(proposals),
        box_features=box_features[0][0].numpy(),
        head=model.box_head(box_features),
        rois=boxes[0].numpy(),
        keypoint_logits=model.keypoint_head(model.keypoint_pooling(levels, boxes))[0].numpy(),
    )


def points_agree(found, values, rows=slice(None)):
    """Per point of recorded detections: as near in pixels, and the same logit within 1e-3 of the largest."""
    points, scores = values["keypoints"][rows], values["keypoints_scores"][rows]
    near = np.abs(found[..., [1, 0]] - points[..., :2]).max(-1) <= PIXELS
    return near & (np.abs(found[..., 2] - scores) <= 1e-3 * np.abs(scores).max())


def test_every_array_is_used_and_every_weight_set(loaded, weights):
    _, report = loaded
    assert sorted(report.loaded) == sorted(weights)
    assert not report.skipped and not report.missing


def test_network_input(inputs, values):
    image = inputs["images"].numpy()
    np.testing.assert_allclose(image[0, ::16, ::16].transpose(2, 0, 1), values["network_input_sample"], atol=2e-5)


@pytest.mark.parametrize("level", LEVELS)
def test_features_and_rpn(level, stages, values):
    assert max(feature_errors(stages.levels, values, level)) < 1e-3
    logits, deltas = recorded_rpn(values)
    assert relative(stages.rpn["objectness"][level].numpy(), logits[level]) < 1e-3
    assert relative(stages.rpn["box_deltas"][level].numpy(), deltas[level]) < 1e-3


def test_anchors(stages, values):
    anchors = np.concatenate(list(stages.anchors.values()))
    assert len(anchors) == values["anchors_count"]
    first = values["anchors_first"]
    np.testing.assert_allclose(anchors[: len(first)], yxyx(first), atol=1e-4)


def test_proposals_of_the_recorded_rpn(model, stages, inputs, values):
    logits, deltas = recorded_rpn(values)
    boxes, _, valid = model.proposal_selector(logits, deltas, stages.anchors, inputs["image_sizes"])
    found, wanted = boxes.numpy()[valid.numpy()], yxyx(values["proposals"])
    assert len(found) == len(wanted)
    nearest = np.abs(wanted[:, None] - found[None]).max(-1).min(1)
    assert np.mean(nearest <= PIXELS) >= 0.995  # an IoU at the threshold may fall to the other side of it


def test_box_head(stages, values):
    first, means = values["box_pool_first"], values["box_pool_mean"]
    assert relative(stages.box_features[: len(first)].transpose(0, 3, 1, 2), first) < 1e-3
    assert relative(stages.box_features[: len(means)].mean((1, 2)), means) < 1e-3
    logits, deltas = values["class_logits"], values["box_regression"]
    assert relative(stages.head["class_logits"][0, : len(logits)].numpy(), logits) < 1e-3
    deltas = deltas.reshape(len(deltas), -1, 4)[:, 1:, [1, 0, 3, 2]]
    assert relative(stages.head["box_deltas"][0, : len(deltas)].numpy(), deltas) < 1e-3


def test_final_boxes_of_the_recorded_proposals(model, stages, inputs, values):
    scores = tf.nn.softmax(stages.head["class_logits"])[0].numpy()
    decoded = decode_boxes(stages.head["box_deltas"][0], stages.proposals[0][:, None], (10.0, 10.0, 5.0, 5.0))
    decoded = clip_boxes(decoded, inputs["image_sizes"])
    decoded = to_original(tf.transpose(decoded, (1, 0, 2)), inputs["scales"], inputs["offsets"]).numpy()
    for box, label, score in zip(yxyx(values["boxes"]), values["labels"], values["scores"]):
        near = np.abs(decoded[label - 1] - box).max(-1) <= PIXELS
        assert np.abs(scores[near, label] - score).min(initial=np.inf) <= 1e-3


def test_maps_and_points_of_the_recorded_boxes(model, stages, inputs, values):
    """Every point but those whose maps have two tops of one height, of which rounding takes either."""
    first = values["keypoint_logits_first"]
    assert relative(stages.keypoint_logits[: len(first)].transpose(0, 3, 1, 2), first) < 1e-3
    scales, offsets = (inputs[key][0].numpy() for key in ("scales", "offsets"))
    points = decode_exactly(stages.keypoint_logits, stages.rois, score="logit", scales=scales, offsets=offsets)
    assert np.mean(points_agree(points, values)) >= 0.995
    wanted = values["keypoints_scores"]
    np.testing.assert_allclose(points[..., 2], wanted, atol=1e-3 * np.abs(wanted).max())  # either top has that height


def test_end_to_end(model, inputs, values):
    found = {key: value.numpy()[0] for key, value in model(inputs).items()}
    partners = matched(found["boxes"], found["classes"], values)
    rows = np.flatnonzero(partners >= 0)
    chosen = partners[rows]
    np.testing.assert_allclose(found["scores"][chosen], values["scores"][rows], atol=1e-3)
    points = decode_exactly(
        found["keypoint_logits"][chosen],
        found["keypoint_rois"][chosen],
        score=model.keypoint_head.score,
        scales=found["scales"],
        offsets=found["offsets"],
    )
    agreed = points_agree(points, values, rows).mean(-1) >= 0.9
    assert agreed.sum() >= 0.95 * len(values["boxes"])
