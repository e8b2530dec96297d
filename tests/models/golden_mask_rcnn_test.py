"""torchvision's Mask R-CNN, stage by stage, from weights that went through the importer."""

import types

import numpy as np
import pytest
import tensorflow as tf

from panet_tf.models.torchvision_rcnn import torchvision_rcnn
from panet_tf.ops.boxes import clip_boxes, decode_boxes, to_network, to_original
from panet_tf.ops.masks import paste_masks_numpy
from panet_tf.ops.paste_window import paste_window
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

CLASSES = 91  # background included


@pytest.fixture(scope="module")
def values(golden):
    """The recorded arrays, each read from the file once."""
    return dict(golden("maskrcnn"))


@pytest.fixture(scope="module")
def weights(values, seeded):
    seed = int(values["seed"])
    return {name: seeded.seeded(name, shape, seed) for name, shape in torchvision_shapes(CLASSES).items()}


@pytest.fixture(scope="module")
def loaded(weights):
    categories = [{"id": i, "name": f"category {i}"} for i in range(1, CLASSES)]
    model = torchvision_rcnn(categories=categories, epsilon=1e-5)
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
    mask_features = model.mask_pooling(levels, boxes)
    box_features = model.box_pooling(levels, proposals)
    return types.SimpleNamespace(
        levels=levels,
        rpn=model.rpn_head(levels),
        anchors=model.anchor_generator(levels, image_size=inputs["images"].shape[1:3]),
        proposals=tf.constant(proposals),
        box_features=box_features[0][0].numpy(),
        head=model.box_head(box_features),
        mask_features=mask_features[0][0].numpy(),
        mask_logits=model.mask_head(mask_features, classes=values["labels"][None].astype("int32"))[0].numpy(),
    )


def golden_masks(values):
    count = int(np.prod(values["masks_shape"]))
    bits = np.unpackbits(values["masks_bits"], count=count)
    return bits.reshape(values["masks_shape"])[:, 0].astype(bool)


def masks_agree(found, wanted):
    """Per mask: IoU of 0.98, or at most 3 pixels of difference in a mask of fewer than 100."""
    common, either = (found & wanted).sum((1, 2)), (found | wanted).sum((1, 2))
    small = wanted.sum((1, 2)) < 100
    return np.where(small, either - common <= 3, common >= 0.98 * either)


def test_every_array_is_used_and_every_weight_set(loaded, weights):
    _, report = loaded
    assert sorted(report.loaded) == sorted(weights)
    assert not report.skipped and not report.missing


def test_network_input(inputs, values):
    image = inputs["images"].numpy()
    np.testing.assert_allclose(image[0, ::16, ::16].transpose(2, 0, 1), values["network_input_sample"], atol=2e-5)


@pytest.mark.parametrize("level", LEVELS)
def test_features(level, stages, values):
    assert max(feature_errors(stages.levels, values, level)) < 1e-3


def test_anchors(stages, values):
    anchors = np.concatenate(list(stages.anchors.values()))
    assert len(anchors) == values["anchors_count"]
    first = values["anchors_first"]
    np.testing.assert_allclose(anchors[: len(first)], yxyx(first), atol=1e-4)


@pytest.mark.parametrize("level", LEVELS)
def test_rpn(level, stages, values):
    logits, deltas = recorded_rpn(values)
    assert relative(stages.rpn["objectness"][level].numpy(), logits[level]) < 1e-3
    assert relative(stages.rpn["box_deltas"][level].numpy(), deltas[level]) < 1e-3


def test_proposals_of_the_recorded_rpn(model, stages, inputs, values):
    """Anchors of the coarse levels are seen here: the record holds the first ones only."""
    logits, deltas = recorded_rpn(values)
    boxes, _, valid = model.proposal_selector(logits, deltas, stages.anchors, inputs["image_sizes"])
    found, wanted = boxes.numpy()[valid.numpy()], yxyx(values["proposals"])
    assert len(found) == len(wanted)
    nearest = np.abs(wanted[:, None] - found[None]).max(-1).min(1)
    assert np.mean(nearest <= PIXELS) >= 0.995  # an IoU at the threshold may fall to the other side of it


def test_pooled_features(stages, values):
    for features, stage in ((stages.box_features, "box"), (stages.mask_features, "mask")):
        first = values[f"{stage}_pool_first"]
        assert relative(features[: len(first)].transpose(0, 3, 1, 2), first) < 1e-3
    means = values["box_pool_mean"]
    assert relative(stages.box_features[: len(means)].mean((1, 2)), means) < 1e-3


def test_class_logits_and_deltas(stages, values):
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
    valid = tf.ones(stages.proposals.shape[:2], tf.bool)
    found = model.detection_selector(
        stages.head["class_logits"], stages.head["box_deltas"], stages.proposals, valid, inputs["image_sizes"]
    )
    assert found["valid"].numpy().sum() == len(values["boxes"])
    boxes = to_original(found["boxes"], inputs["scales"], inputs["offsets"])[0].numpy()
    partners = matched(boxes, found["classes"][0].numpy(), values)
    assert np.mean(partners >= 0) >= 0.99  # every box is there, as seen above; an IoU at the threshold may fall aside


def test_masks(stages, values):
    assert relative(stages.mask_logits, values["mask_logits_of_label"]) < 1e-3


def test_pasted_masks(stages, values):
    size = tuple(int(side) for side in values["image_hw"])
    masks, boxes = tf.sigmoid(stages.mask_logits).numpy(), yxyx(values["boxes"])
    pasted = paste_masks_numpy(masks, boxes, size, whole_pixels=True)
    assert masks_agree(pasted, golden_masks(values)).all()
    for mask, box, wanted in zip(masks, boxes, values["masks_first_prob_float16"]):
        whole = np.zeros(size, "float32")
        window, top, left = paste_window(mask, box, size, whole_pixels=True)
        whole[top : top + window.shape[0], left : left + window.shape[1]] = window
        np.testing.assert_allclose(whole, wanted.astype("float32"), atol=2e-3)


def test_end_to_end(model, inputs, values):
    found = {key: value.numpy()[0] for key, value in model(inputs).items()}
    partners = matched(found["boxes"], found["classes"], values)
    rows = np.flatnonzero(partners >= 0)
    chosen = partners[rows]
    size = tuple(int(side) for side in values["image_hw"])
    pasted = paste_masks_numpy(found["masks"][chosen], found["boxes"][chosen], size, whole_pixels=True)
    agreed = masks_agree(pasted, golden_masks(values)[rows])
    assert agreed.sum() >= 0.95 * len(values["boxes"])
