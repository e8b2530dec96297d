"""Rows of the tables of Lin's thesis are what they say."""

import gin
import pytest

from tests.gin_test import ROOT, build, parameter, parse

SMALL = ("resnet.weights = None", "resnet.depth = 18", "retinanet.filters = 16")


def built(row):
    parse(f"papers/lin_thesis/{row}.gin", *SMALL)
    return build()


FOLDER = ROOT / "gin" / "papers" / "lin_thesis"
ALPHAS = {"gamma_0": 0.75, "gamma_0_1": 0.75, "gamma_0_2": 0.75, "gamma_0_5": 0.5}  # the best of each; later ones 0.25


def rows(part):
    return sorted(path.stem for path in (FOLDER / f"table5_1{part}").glob("*.gin"))


def number(text):
    """0.25 of "0_25"."""
    return float(text.replace("_", "."))


def parts_of(row):
    """Loss, example selector and anchors as the model receives them."""
    parse(f"papers/lin_thesis/{row}.gin")
    names = ("class_loss", "example_selector", "anchor_generator")
    given = gin.config_str()
    return [parameter(f"panet_tf.retinanet.{name}") if f"retinanet.{name} =" in given else None for name in names]


@pytest.mark.parametrize("row", [f"5_1a/{row}" for row in rows("a")] + [f"5_1c/{row}" for row in rows("c")])
def test_losses(row):
    loss, selector, anchors = parts_of(f"table{row}")
    kind, _, value = row.split("/")[1].partition("_")
    if kind == "alpha":
        assert (loss.form, loss.alpha) == ("cross_entropy", number(value))
    else:
        assert (loss.form, loss.gamma, loss.alpha) == ("focal", number(value), ALPHAS.get(f"gamma_{value}", 0.25))
    assert selector is None and anchors.num_anchors == 9 and loss.min_probability == 1e-5


def test_the_middle_row_is_the_thesis_s_model():
    model = built("table5_1c/gamma_2")
    assert not model.target_assigner.force_matches
    assert (model.running_count, model.normalizers, model.example_selector) == (None, {}, None)
    assert model.box_beta == pytest.approx(1 / 9, abs=1e-4) and parameter("panet_tf.freeze.stages") == 2
    frozen = [layer.name for layer in model.backbone.layers if layer.weights and not layer.trainable_weights]
    assert any(name.startswith("layer1_") for name in frozen)
    rate = parameter("panet_tf.train.optimizer")()._learning_rate
    assert [round(float(rate(step)), 6) for step in (59_999, 60_000, 80_000)] == [0.01, 0.001, 0.0001]


@pytest.mark.parametrize("row", rows("b"))
def test_anchors(row):
    loss, selector, anchors = parts_of(f"table5_1b/{row}")
    _, scales, _, shapes = row.split("_")
    assert anchors.scales_per_octave == int(scales) and selector is None
    assert anchors.ratios == {"1": (1.0,), "3": (0.5, 1.0, 2.0)}[shapes]
    assert (loss.form, loss.gamma, loss.alpha) == ("focal", 2, 0.25)


@pytest.mark.parametrize("row", rows("d"))
def test_hard_examples(row):
    loss, selector, anchors = parts_of(f"table5_1d/{row}")
    assert anchors.num_anchors == 9
    if row == "focal":
        assert selector is None and (loss.form, loss.gamma, loss.alpha) == ("focal", 2, 0.25)
        return
    kind, count, threshold = row.replace("_1to3", "/3").split("_", 2)
    assert (selector.count, selector.iou_threshold) == (int(count), number(threshold))
    assert selector.negatives_per_positive == (3 if kind == "ohem/3" else None) and selector.fill
    assert (loss.form, loss.alpha) == ("cross_entropy", None)


def test_every_row_is_there_and_the_last_table_is_of_resnet_101():
    assert [len(rows(part)) for part in "abcde"] == [7, 7, 7, 10, 10]
    for row in rows("d"):
        parse(f"papers/lin_thesis/table5_1d/{row}.gin")
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
