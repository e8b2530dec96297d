"""Rows of the tables of Lin's thesis are what they say."""

import gin
import pytest

from tests.gin_test import ROOT, build, parameter, parse

SMALL = ("resnet.weights = None", "resnet.depth = 18", "retinanet.filters = 16")


def built(row):
    parse(f"papers/lin_thesis/{row}.gin", *SMALL)
    return build()


@pytest.mark.parametrize(
    ("row", "form", "gamma", "alpha"),
    [
        ("table5_1a/alpha_0_10", "cross_entropy", None, 0.1),
        ("table5_1a/alpha_0_999", "cross_entropy", None, 0.999),
        ("table5_1c/gamma_0", "focal", 0, 0.75),
        ("table5_1c/gamma_0_5", "focal", 0.5, 0.5),
        ("table5_1c/gamma_2", "focal", 2, 0.25),
    ],
)
def test_losses(row, form, gamma, alpha):
    model = built(row)
    assert (model.class_loss.form, model.class_loss.alpha) == (form, alpha)
    assert gamma is None or model.class_loss.gamma == gamma
    assert model.example_selector is None and model.anchor_generator.num_anchors == 9
    assert not model.target_assigner.force_matches
    assert (model.class_loss.min_probability, model.running_count, model.normalizers) == (1e-5, None, {})
    rate = parameter("panet_tf.train.optimizer")()._learning_rate
    assert [round(float(rate(step)), 6) for step in (59_999, 60_000, 80_000)] == [0.01, 0.001, 0.0001]


@pytest.mark.parametrize(
    ("row", "anchors"), [("scales_1_shapes_1", 1), ("scales_2_shapes_3", 6), ("scales_4_shapes_3", 12)]
)
def test_anchors(row, anchors):
    model = built(f"table5_1b/{row}")
    assert model.head.num_anchors == model.anchor_generator.num_anchors == anchors


@pytest.mark.parametrize(
    ("row", "settings"),
    [("ohem_128_0_5", (128, 0.5, None)), ("ohem_512_0_7", (512, 0.7, None)), ("ohem_1to3_256_0_5", (256, 0.5, 3))],
)
def test_hard_examples(row, settings):
    model = built(f"table5_1d/{row}")
    selector = model.example_selector
    assert (selector.count, selector.iou_threshold, selector.negatives_per_positive) == settings
    assert (model.class_loss.form, model.class_loss.alpha) == ("cross_entropy", None)


def test_every_row_is_there_and_the_last_table_is_of_resnet_101():
    folder = ROOT / "gin" / "papers" / "lin_thesis"
    assert [len(list((folder / f"table5_1{part}").glob("*.gin"))) for part in "abcde"] == [7, 7, 7, 10, 10]
    for path in (folder / "table5_1d").glob("*.gin"):
        parse(str(path.relative_to(ROOT / "gin")))
        assert gin.query_parameter("panet_tf.resnet.depth") == 101


@pytest.mark.parametrize("size", [400, 500, 600, 700, 800])
def test_sizes_of_images(size):
    for depth in (50, 101):
        parse(f"papers/lin_thesis/table5_1e/r{depth}_{size}.gin")
        assert gin.query_parameter("panet_tf.resnet.depth") == depth
        long_side = parameter("panet_tf.DetectionData.long_side")
        assert (parameter("panet_tf.DetectionData.short_side"), long_side) == (size, round(size * 5 / 3))
        wide, tall = parameter("panet_tf.DetectionData.canvases")
        # multiples of 32, and the smallest that hold the images
        assert wide == tall[::-1] == (-(-size // 32) * 32, -(-long_side // 32) * 32)


def test_the_last_model_is_trained_for_half_as_long_again():
    parse("papers/lin_thesis/table5_2/retinanet.gin")
    assert parameter("panet_tf.train.steps") == 135_000 == 1.5 * 90_000
    rate = parameter("panet_tf.train.optimizer")()._learning_rate
    assert [round(float(rate(step)), 6) for step in (89_999, 90_000, 120_000)] == [0.01, 0.001, 0.0001]


def test_sa_fpn_by_bindings():
    neck = ("retinanet.necks = [@SAFPN()]", "SAFPN.outputs = ('P3', 'P4', 'P5', 'P6', 'P7')")
    parse("models/retinanet_r50.gin", *SMALL, *neck, "SAFPN.filters = 16", 'SAFPN.extra_levels = "c5"')
    model = build()
    assert [neck.__class__.__name__ for neck in model.necks] == ["SAFPN"]
    assert tuple(model.necks[0](model.backbone.output)) == ("P3", "P4", "P5", "P6", "P7")


def test_a_running_count_by_bindings():
    parse("models/retinanet_r50.gin", *SMALL, "retinanet.running_count = @RunningCount()", "RunningCount.initial = 50")
    part = build().running_count
    assert (part.momentum, part.initial) == (0.9, 50)
