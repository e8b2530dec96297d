"""The gin files of mask proposals and of Fast R-CNN with VGG: rows of Lin's thesis are what they say."""

import gin
import pytest

from panet_tf.layers.roi_pooling import FPNLevelPooling
from tests.gin_test import NO_VGG, ROOT, build, parameter, parse

FOLDER = ROOT / "gin" / "papers" / "lin_thesis"
FRESH = ("resnet.weights = None", "resnet.depth = 18")


def built(row, *bindings):
    parse(f"papers/lin_thesis/{row}.gin", *bindings)
    return build()


def rates(steps):
    rate = parameter("panet_tf.train.optimizer")()._learning_rate
    return [round(float(rate(step)), 6) for step in steps]


@pytest.mark.parametrize(
    ("row", "windows", "mask", "steps"),
    [
        ("mlp_5x5", [5], 14, 80_000),
        ("mlp_7x7", [7], 14, 80_000),
        ("dual_mlp", [5, 7], 14, 80_000),
        ("mask_28x28", [5, 7], 28, 80_000),
        ("schedule_2x", [5, 7], 28, 160_000),
    ],
)
def test_mask_proposals(row, windows, mask, steps):
    model = built(f"table4_6/{row}", *FRESH)
    assert [head.window for head in model.heads] == windows and model.mask_head.mask_size == mask
    assert model.heads[0].hidden.kernel.shape[-2:] == (128, 512) and model.loss_weights == {"mask_loss": 10.0}
    assert parameter("panet_tf.train.steps") == steps
    assert rates([steps * 3 // 4 - 1, steps * 3 // 4]) == [0.03, 0.003]


@pytest.mark.parametrize("row", ["sharp_mask_vgg16", "selective_search_vgg16", "rpn_vgg16"])
def test_fast_rcnn_with_vgg(row):
    model = built(f"table3_4/{row}", *NO_VGG)
    assert isinstance(model.box_pooling, FPNLevelPooling) and model.box_pooling.operator == "pool"
    assert (model.box_head.units, model.box_head.dropout, model.roi_sampler.background_iou) == (4096, 0.5, 0.1)
    frozen = {layer.name for layer in model.backbone.layers if layer.weights and not layer.trainable_weights}
    assert frozen == {"features_0", "features_2", "features_5", "features_7"}  # conv1 and conv2
    assert rates([0, 199_999, 200_000]) == [0.001, 0.001, 0.0001] and parameter("panet_tf.train.steps") == 280_000
    path = parameter("train/panet_tf.DetectionData.proposals")
    assert row.removesuffix("_vgg16") in gin.query_parameter("TRAIN_PROPOSALS/gin.macro.value") or row in str(path)


def test_every_row_is_there():
    counts = {"table3_4": 3, "table4_6": 5}
    assert {name: len(list((FOLDER / name).glob("*.gin"))) for name in counts} == counts
