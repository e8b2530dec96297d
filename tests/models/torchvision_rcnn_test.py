"""The model that torchvision's weights are for, in small; its numbers are those of the golden test."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from panet_tf.backbones.resnet import resnet
from panet_tf.heads.box import BoxHead
from panet_tf.layers.frozen_batch_norm import FrozenBatchNorm
from panet_tf.models.detection_selector import DetectionSelector
from panet_tf.models.torchvision_rcnn import torchvision_rcnn
from tests.models.tiny import CATEGORIES, batch_of_boxes, tiny_backbone
from tests.torchvision_shapes import torchvision_shapes


def small(**kwargs):
    return torchvision_rcnn(
        categories=CATEGORIES,
        backbone=tiny_backbone(),
        filters=8,
        box_head=BoxHead(num_classes=2, units=16),
        **kwargs,
    )


@pytest.mark.parametrize("masks", [False, True])
def test_detects_and_has_losses(masks):
    model = small(masks=masks)
    batch = {key: tf.constant(value) for key, value in batch_of_boxes(batch=1).items()}
    outputs = model(batch)
    assert ("mask_loss" in outputs["losses"]) == masks == ("masks" in outputs)
    assert all(np.isfinite(total) for total, _ in outputs["losses"].values())
    assert outputs["boxes"].shape == (1, 100, 4)


def test_reads_keypoints_exactly():
    model = small(keypoints=True)
    assert model.mask_head is None and not model.keypoint_pooling.aligned
    head = model.keypoint_head
    assert (head.num_keypoints, head.num_convs, head.filters) == (17, 8, 512)
    assert head.score == "logit" and head.keep_logits


def test_conventions_stay_with_a_saved_model(tmp_path):
    model = small(masks=True)
    inputs = {"images": tf.constant(batch_of_boxes(batch=1)["images"])}
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    for part in ("anchor_generator", "box_pooling", "mask_pooling", "proposal_selector", "detection_selector"):
        assert getattr(again, part).get_config() == getattr(model, part).get_config()
    assert again.anchor_generator.stride == "ratio" and not again.box_pooling.aligned
    for ours, theirs in zip(again(inputs).values(), model(inputs).values()):
        np.testing.assert_array_equal(ours, theirs)


def test_parts_may_be_replaced():
    model = small(masks=False, detection_selector=DetectionSelector(max_detections=7))
    assert model.max_detections == 7


def test_batch_norms_have_no_epsilon_unless_asked():
    model = torchvision_rcnn(categories=CATEGORIES, masks=False, filters=8, box_head=BoxHead(num_classes=2, units=8))
    norms = [layer for layer in model.backbone.layers if isinstance(layer, FrozenBatchNorm)]
    assert len(norms) == 53 and {norm.epsilon for norm in norms} == {0.0}


def test_weights_are_loaded():
    shapes = torchvision_shapes(3, blocks=(2, 2, 2, 2), filters=8, units=16, masks=False, bottleneck=False)
    arrays = {name: np.full(shape, 0.25, "float32") for name, shape in shapes.items()}
    model = torchvision_rcnn(
        categories=CATEGORIES,
        masks=False,
        backbone=resnet(18),
        filters=8,
        box_head=BoxHead(num_classes=2, units=16),
        weights=arrays,
    )
    assert len(model.weights) == len(arrays)
    assert all((np.asarray(weight) == 0.25).all() for weight in model.weights)
