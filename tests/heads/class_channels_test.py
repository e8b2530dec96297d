"""What each head says of its channels, against what it gives for each class."""

import numpy as np
import pytest
import tensorflow as tf

from panet_tf.heads.average_box import AverageBoxHead
from panet_tf.heads.box import BoxHead
from panet_tf.heads.dense import DenseHead
from panet_tf.heads.mask import MaskHead
from panet_tf.heads.mask_mlp import MLPMaskHead

CLASSES = 3
REGIONS = (np.ones((1, 2, 4, 4, 6), "f"),)


def marked(head, features):
    """What a head gives when each channel's bias is its class, and nothing else counts."""
    head(features)
    layers = dict(head.class_channels(CLASSES))
    for layer, classes in layers.items():
        layer.kernel.assign(tf.zeros_like(layer.kernel))
        layer.bias.assign(classes.astype("float32"))
    return head(features), {layer.name for layer in layers}


@pytest.mark.parametrize("cls", [BoxHead, AverageBoxHead])
def test_boxes(cls):
    found, names = marked(cls(num_classes=CLASSES), REGIONS)
    np.testing.assert_array_equal(found["class_logits"][0, 0], [0, 1, 2, 3])
    np.testing.assert_array_equal(found["box_deltas"][0, 0], [[1] * 4, [2] * 4, [3] * 4])
    assert names == {"class_logits", "box_deltas"}
    assert marked(cls(num_classes=CLASSES, class_agnostic=True), REGIONS)[1] == {"class_logits"}


@pytest.mark.parametrize(
    "head", [MaskHead(num_classes=CLASSES, filters=8), MLPMaskHead(num_classes=CLASSES, units=(8,), mask_size=5)]
)
def test_masks(head):
    logits, names = marked(head, REGIONS)
    np.testing.assert_array_equal(logits, np.broadcast_to([1, 2, 3], logits.shape))
    assert names == {"logits"}


@pytest.mark.parametrize("cls,options", [(MaskHead, {"filters": 8}), (MLPMaskHead, {"units": (8,), "mask_size": 5})])
def test_masks_that_compete(cls, options):
    """With the background's channel first, sigmoids of what comes out are the softmax of 0, 1, 2, 3."""
    logits, _ = marked(cls(num_classes=CLASSES, activation="softmax", **options), REGIONS)
    expected = np.exp([1, 2, 3]) / np.exp([0, 1, 2, 3]).sum()
    np.testing.assert_allclose(tf.sigmoid(logits), np.broadcast_to(expected, logits.shape), rtol=1e-5)
    assert cls(num_classes=CLASSES, class_agnostic=True, **options).class_channels(CLASSES) == []


def test_every_anchor_has_all_classes():
    found, names = marked(
        DenseHead(num_classes=CLASSES, num_anchors=2, filters=8, num_convs=1), {"P3": np.ones((1, 2, 2, 6), "f")}
    )
    logits = found["class_logits"]["P3"]
    np.testing.assert_array_equal(logits, np.broadcast_to([1, 2, 3], logits.shape))
    assert names == {"class_logits"} and logits.shape == (1, 8, 3)
