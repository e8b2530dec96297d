"""Rows of the studies of feature pyramids, of training apart, and of testing by several views, are what they say."""

import re

import gin
import pytest

from panet_tf.gin_setup import parse_gin
from panet_tf.inference.test_time_augmentation import TestTimeAugmentation
from tests.gin_test import ROOT, build, macro, parameter, parse

TINY = ("resnet.weights = None", "resnet.depth = 18")
FIVE = ["P2", "P3", "P4", "P5", "P6"]


def built(row, *bindings):
    parse(f"papers/lin_thesis/{row}.gin", *TINY, *bindings)
    return build()


def levels(model):
    output = model.backbone.output
    for neck in model.necks:
        output = neck(output)
    return output


@pytest.mark.parametrize(
    ("row", "names", "top_down", "lateral", "shared", "anchors"),
    [
        ("a_conv4", ["C4"], None, None, True, 15),
        ("b_conv5", ["C5"], None, None, True, 15),
        ("c_fpn", FIVE, True, True, True, 3),
        ("d_bottom_up_separate_heads", FIVE, False, True, False, 3),
        ("e_without_lateral", FIVE, True, False, True, 3),
        ("f_finest_level", ["P2"], True, True, True, 15),
    ],
)
def test_proposers(row, names, top_down, lateral, shared, anchors):
    model = built(f"table4_1/{row}")
    assert model.box_head is None and model.max_detections == 1000
    assert sorted(levels(model)) == names
    if top_down is not None:
        (neck,) = model.necks
        assert (neck.top_down, neck.lateral) == (top_down, lateral)
    assert (model.rpn_head.shared, len(model.rpn_head.of_levels)) == (shared, 0 if shared else len(names))
    assert model.rpn_head.num_anchors == model.anchor_generator.num_anchors == anchors
    assert model.proposal_selector.post_nms_top_k[1] == 1000 and model.anchor_sampler.straddle is None
    assert parameter("panet_tf.train.steps") == 40_000
    assert parameter("panet_tf.train.evaluators")[0].__name__ == "ProposalRecall"


@pytest.mark.parametrize(
    ("row", "names", "cells", "head"),
    [
        ("a_conv4", ["C4"], 14, "AverageBoxHead"),
        ("b_conv5", ["C5"], 7, "BoxHead"),
        ("c_fpn_separate_heads", FIVE, 7, "SeparateBoxHeads"),
        ("f_finest_level", ["P2"], 7, "BoxHead"),
    ],
)
def test_detectors_on_fixed_proposals(row, names, cells, head):
    model = built(f"table4_2/{row}")
    assert model.rpn_head is None and sorted(levels(model)) == names
    assert (model.box_pooling.output_size, model.box_pooling.operator) == (cells, "pool")
    assert type(model.box_head).__name__ == head and model.roi_sampler.count == 512
    assert gin.query_parameter("train/panet_tf.DetectionData.max_proposals") == 2000
    assert parameter("panet_tf.train.steps") == 80_000


def test_stages_have_schedules_of_their_own():
    parse("papers/lin_thesis/table4_5/r101_shared.gin", "resnet.weights = None")
    assert parameter("panet_tf.alternate_training.share_features") is True and parameter("panet_tf.resnet.depth") == 101
    rates = []
    for scope in ("", "rpn"):
        with gin.config_scope(scope):
            rate = gin.get_configurable("panet_tf.WarmupStepDecay")()
            rates.append([round(float(rate(step)), 5) for step in (29_999, 30_000, 59_999, 60_000)])
    assert rates == [[0.02, 0.02, 0.02, 0.002], [0.02, 0.002, 0.002, 0.002]]
    assert gin.query_parameter("rpn/panet_tf.train.steps") and parameter("panet_tf.train.steps") == 80_000


@pytest.mark.parametrize(
    ("file", "number", "voting", "proposals"),
    [
        ("papers/panet/table6/testing_tricks.gin", 4, 0.5, "own"),
        ("papers/panet/table6/ensemble.gin", 4, 0.5, "first"),
        ("papers/mask_rcnn/table8/test_time_augmentation.gin", 9, None, "own"),
    ],
)
def test_testing_tricks(file, number, voting, proposals):
    parse(file)
    made = parameter("panet_tf.evaluate.augmentation")
    assert isinstance(made, TestTimeAugmentation) and made.flips and len(made.scales) == number
    assert (made.mask_voting, made.box_voting, made.proposals) == (voting, 0.9, proposals)
    assert parameter("panet_tf.Predictor.augmentation").scales == made.scales


@pytest.mark.parametrize(
    ("row", "threshold"),
    [("table2a/r50_fpn", 0.3), ("table2a/x101_fpn", 0.3), ("table2b/sigmoid", 0.3), ("table2d/roi_pool", 0.3)]
    + [("table2e/fcn", 0.3), ("table8/updated_baseline", 0.5), ("table8/non_local", 0.5)],
)
def test_suppression_of_mask_rcnn_is_the_tables(row, threshold):
    """Appendix B: 0.5 in place of the 0.3 that all before had."""
    parse(f"papers/mask_rcnn/{row}.gin")
    assert parameter("panet_tf.DetectionSelector.iou_threshold") == threshold


def test_a_balanced_source():
    file = "papers/panet/table6/larger_model_balanced_sampling.gin"
    parse(file, "resnet.weights = None")
    assert gin.query_parameter("train/panet_tf.DetectionData.source").configurable.name == "BalancedImages"
    assert (macro("SEED"), parameter("panet_tf.resnet.groups")) == (1, 64)


def test_every_row_is_there():
    counted = {
        "lin_thesis/table4_1": 8,
        "lin_thesis/table4_2": 7,
        "lin_thesis/table4_3": 4,
        "lin_thesis/table4_5": 4,
        "panet/table6": 6,
        "mask_rcnn/table8": 6,
    }
    for folder, number in counted.items():
        assert len(list((ROOT / "gin" / "papers" / folder).glob("*.gin"))) == number, folder


PAGE = (ROOT / "docs" / "two_stage.md").read_text()


@pytest.mark.parametrize("example", re.findall(r"^```gin\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL))
def test_examples_of_the_page(example, tmp_path):
    (tmp_path / "mine.gin").write_text(example)
    parse_gin([tmp_path / "mine.gin"], ["resnet.weights = None", "resnet.depth = 18"])
    model = build()
    for part in re.findall(r"(?<==).*@(SAFPN|BottomUp|HardRoISampler)\b", example):
        assert part in [type(one).__name__ for one in (*model.necks, model.roi_sampler)]
    assert (model.rpn_head is None) == ("fast_rcnn" in example)
    assert (model.panoptic_merger is not None) == ("oanet" in example)
    if "@panet" in example or "panet_r50" in example:
        assert "AdaptivePooling" in (type(model.box_pooling).__name__, type(model.mask_pooling).__name__)


def test_files_of_the_page_exist():
    names = re.findall(r"`((?:runs|models|schedules)/\w+\.gin)`", PAGE) + re.findall(r"--gin_file (\S+)", PAGE)
    names += re.findall(r"`((?:lin_thesis|mask_rcnn|panet|sa_fpn_ej_head)/\w+)`", PAGE)
    places = (ROOT / "gin", ROOT / "gin" / "papers")
    assert names and [name for name in names if not any((place / name).exists() for place in places)] == []


def test_distillation_looks_as_published():
    parse("runs/distillation.gin")
    assert parameter("panet_tf.Predictor.augmentation").scales == tuple(range(400, 1300, 100))
    assert parameter("panet_tf.distill.score_threshold") is None
