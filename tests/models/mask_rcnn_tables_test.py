"""Rows of Mask R-CNN's Table 2: what each makes of the model, and its schedule."""

import concurrent.futures

import keras
import pytest

from panet_tf.heads.mask import MaskHead
from panet_tf.heads.mask_mlp import MLPMaskHead
from tests.gin_test import CATEGORIES, macro, parameter, parse


def build(row, *bindings):
    """The model of a row on a small ResNet, all shapes and no weights."""
    parse(f"papers/mask_rcnn/{row}.gin", "resnet.weights = None", *bindings)

    def make():
        keras.StatelessScope().__enter__()  # leaving it would make the weights; the thread ends inside it
        return macro("MODEL")(categories=CATEGORIES)

    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        return pool.submit(make).result()


@pytest.mark.parametrize(
    "row, level, operator, pooling, activation",
    [
        ("table2b/softmax", "C4", "align", "average", "softmax"),
        ("table2c/roi_warp_max", "C4", "warp", "max", "sigmoid"),
        ("table2d/roi_pool", "C5", "pool", "average", "sigmoid"),
    ],
)
def test_rows_on_one_level(row, level, operator, pooling, activation):
    model = build(row, "resnet.depth = 18", "Res5Head.blocks = 1" if level == "C4" else "resnet.depth = 18")
    assert isinstance(model.mask_head, MaskHead) and not model.mask_head.class_agnostic
    assert (model.mask_head.num_convs, model.mask_head.activation) == (0 if level == "C4" else 4, activation)
    for layer in (model.box_pooling, model.mask_pooling or model.box_pooling):
        assert (layer.operator, layer.pooling) == (operator, pooling)
    assert model.anchor_generator.num_anchors == 15
    assert model.roi_sampler.count == (64 if level == "C4" else 512)
    assert model.proposal_selector.post_nms_top_k[1] == (300 if level == "C4" else 1000)
    assert (model.shared_head is not None) == (level == "C4")


@pytest.mark.parametrize("row, units", [("table2e/mlp_3", (1024, 1024, 1024))])
def test_rows_of_mask_branches(row, units):
    head = build(row, "resnet.depth = 18").mask_head
    assert isinstance(head, MLPMaskHead) and head.units == units


def test_resnext_trains_on_half_the_images_at_half_the_rate():
    parse("papers/mask_rcnn/table2a/x101_fpn.gin", "resnet.weights = None")
    rate = parameter("panet_tf.train.optimizer")()._learning_rate
    assert [float(rate(step)) for step in (500, 120_000)] == pytest.approx([0.01, 0.001])
    assert parameter("panet_tf.train.steps") == 160_000 and macro("BATCH_SIZE") == 8
