"""torchvision's RetinaNet, stage by stage, from weights that went through the importer."""

import types

import numpy as np
import pytest
import tensorflow as tf

from panet_tf.models.torchvision_retinanet import torchvision_retinanet
from panet_tf.ops.boxes import clip_boxes, decode_boxes, to_original
from panet_tf.weights import load
from tests.models.golden_stages import PIXELS, matched, network_inputs, relative, yxyx
from tests.torchvision_retinanet_shapes import torchvision_retinanet_shapes

pytestmark = pytest.mark.golden

LEVELS = {"P3": "0", "P4": "1", "P5": "2", "P6": "p6", "P7": "p7"}
CLASSES = 91  # the first one stands for the background, so that class k is theirs of k - 1


@pytest.fixture(scope="module")
def values(golden):
    """The recorded arrays, each read from the file once."""
    return dict(golden("retinanet"))


@pytest.fixture(scope="module")
def weights(values, seeded):
    seed = int(values["seed"])
    return {name: seeded.seeded(name, shape, seed) for name, shape in torchvision_retinanet_shapes(CLASSES).items()}


@pytest.fixture(scope="module")
def loaded(weights):
    categories = [{"id": i, "name": f"category {i}" if i else None} for i in range(CLASSES)]
    model = torchvision_retinanet(categories=categories, epsilon=1e-5)
    return model, load(model, weights, verbose=False)


@pytest.fixture(scope="module")
def model(loaded):
    return loaded[0]


@pytest.fixture(scope="module")
def inputs(values, seeded):
    return network_inputs(values, seeded)


@pytest.fixture(scope="module")
def stages(model, inputs):
    levels = model.features(inputs["images"])
    return types.SimpleNamespace(
        levels=levels,
        head=model.head(levels),
        anchors=model.anchor_generator(levels, image_size=inputs["images"].shape[1:3]),
    )


def theirs(levels):
    """All levels in one array, the anchors of a cell by ratio and then size instead of size and then ratio."""
    joined = np.concatenate([np.reshape(value, (-1, value.shape[-1])) for value in levels.values()])
    return joined.reshape(-1, 3, 3, joined.shape[-1]).swapaxes(1, 2).reshape(joined.shape)


def test_every_array_is_used_and_every_weight_set(loaded, weights):
    _, report = loaded
    assert sorted(report.loaded) == sorted(weights)
    assert not report.skipped and not report.missing


def test_network_input(inputs, values):
    image = inputs["images"].numpy()
    np.testing.assert_allclose(image[0, ::16, ::16].transpose(2, 0, 1), values["network_input_sample"], atol=2e-5)


@pytest.mark.parametrize(("level", "name"), LEVELS.items())
def test_features(level, name, stages, values):
    features = stages.levels[level].numpy().transpose(0, 3, 1, 2)
    assert features.shape == tuple(values[f"feature_{name}_shape"])
    corner = values[f"feature_{name}_corner"]
    assert relative(features[0].mean((1, 2)), values[f"feature_{name}_mean"]) < 1e-3
    assert relative(features[0, :16, : corner.shape[1], : corner.shape[2]], corner) < 1e-3


def test_anchors(stages, values):
    anchors = theirs(stages.anchors)
    assert len(anchors) == values["anchors_count"]
    first = values["anchors_first"]
    np.testing.assert_allclose(anchors[: len(first)], yxyx(first), atol=1e-4)


def test_head(stages, values):
    logits, deltas = theirs(stages.head["class_logits"]), theirs(stages.head["box_deltas"])
    assert len(logits) == len(deltas) == values["anchors_count"]
    first = values["cls_logits_first"]
    assert relative(logits[: len(first)], first) < 1e-3
    first = values["bbox_regression"]
    assert relative(deltas[: len(first)], first[:, [1, 0, 3, 2]]) < 1e-3


def with_recorded(levels, recorded):
    """Our outputs by level, those that were recorded in the place of ours."""
    rows = theirs(levels)
    rows[: len(recorded)] = recorded
    rows = rows.reshape(-1, 3, 3, rows.shape[-1]).swapaxes(1, 2).reshape(rows.shape)
    ends = np.cumsum([value.shape[1] for value in levels.values()])
    return {level: tf.constant(part[None]) for level, part in zip(levels, np.split(rows, ends[:-1]))}


def test_final_boxes_of_the_recorded_head(model, stages, inputs, values):
    logits = with_recorded(stages.head["class_logits"], values["cls_logits_first"])
    deltas = with_recorded(stages.head["box_deltas"], values["bbox_regression"][:, [1, 0, 3, 2]])
    scores = tf.sigmoid(tf.concat(list(logits.values()), 1))[0].numpy()
    anchors = tf.concat(list(stages.anchors.values()), 0)
    decoded = clip_boxes(decode_boxes(tf.concat(list(deltas.values()), 1)[0], anchors), inputs["image_sizes"][0])
    decoded = to_original(decoded[None], inputs["scales"], inputs["offsets"])[0].numpy()
    for box, label, score in zip(yxyx(values["boxes"]), values["labels"], values["scores"]):
        near = np.abs(decoded - box).max(-1) <= PIXELS
        assert np.abs(scores[near, label] - score).min(initial=np.inf) <= 1e-3
    found = model.detection_selector(logits, deltas, stages.anchors, inputs["image_sizes"])
    assert found["valid"].numpy().sum() == len(values["boxes"])
    boxes = to_original(found["boxes"], inputs["scales"], inputs["offsets"])[0].numpy()
    partners = matched(boxes, found["classes"][0].numpy() - 1, values)
    assert np.mean(partners >= 0) >= 0.99  # every box is there, as seen above; an IoU at the threshold may fall aside


def test_end_to_end(model, inputs, values):
    found = {key: value.numpy()[0] for key, value in model(inputs).items()}
    partners = matched(found["boxes"], found["classes"] - 1, values)
    assert np.mean(partners >= 0) >= 0.95
    rows = partners >= 0
    np.testing.assert_allclose(found["scores"][partners[rows]], values["scores"][rows], atol=1e-3)
