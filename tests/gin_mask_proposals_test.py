"""DeepMask's and SharpMask's rows of the thesis's tables are what they say."""

import math

import pytest

from tests.gin_test import NO_VGG, ROOT, build, parameter, parse

SMALL = ("resnet.weights = None", "resnet.depth = 18", *NO_VGG)


def built(row):
    parse(f"papers/lin_thesis/{row}.gin", *SMALL)
    assert parameter("panet_tf.patches_of.input_size") == (model := build()).input_size
    assert parameter("panet_tf.patches_of.context") == model.context
    return model


@pytest.mark.parametrize(
    "row, trunk, window, cells, channels, variant",
    [  # Table 3.1: W, S = W / 2^P, F; Table 3.2: heads
        ("table3_1/deep_mask", "vgg11", 224, 14, 512, "original"),
        ("table3_1/w160_p4_d8_vgg", "vgg11", 160, 10, 512, "c"),
        ("table3_1/w160_p4_d39", "resnet18", 160, 10, 512, "c"),
        ("table3_1/w160_p4_d39_f128", "resnet18", 160, 10, 128, "c"),
        ("table3_1/w112_p4_d39", "resnet18", 112, 7, 512, "c"),
        ("table3_1/w112_p3_d21", "resnet18", 112, 14, 512, "c"),
        ("table3_1/w112_p3_d21_f128", "resnet18", 112, 14, 128, "c"),
        ("table3_2/head_a", "resnet18", 160, 10, 128, "a"),
        ("table3_2/head_b", "resnet18", 160, 10, 128, "b"),
    ],
)
def test_trunks_and_heads(row, trunk, window, cells, channels, variant):
    model = built(row)
    head = model.mask_head
    assert (model.backbone.name, model.input_size, model.grid.size) == (trunk, window, cells)
    assert (head.kernel_size, head.channels, head.variant) == (cells, channels, variant)
    # All look for objects of the same sizes, half an octave apart.
    sizes = [-(-window * 128 // 224) / scale for scale in model.scales]
    assert len(sizes) == 7 and 64 <= sizes[-1] < 66 and 512 <= sizes[0] < 521


def millions(*parts):
    return sum(math.prod(weight.shape) for part in parts for weight in part.weights) / 1e6


def test_the_thesis_s_trunks_and_numbers_of_weights():
    """Table 3.1's kernels and section 3.5.1: from about 75M to 17M weights, and under 3M more to refine."""
    parse("papers/lin_thesis/table3_1/deep_mask.gin", *NO_VGG)
    model = build()
    assert model.backbone.output["C4"].shape[-1] == 512 and 75 < millions(model) < 76
    parse("papers/lin_thesis/table3_3/sharp_mask.gin", "resnet.weights = None")
    model = build()
    assert model.backbone.output["C4"].shape[-1] == 1024 and 17.3 < millions(model.backbone, model.mask_head) < 17.5
    assert 2.7 < millions(model.refinement) < 2.8
    parse("papers/lin_thesis/table3_1/w112_p3_d21.gin", "resnet.weights = None")
    model = build()
    assert model.backbone.output["C3"].shape[-1] == 512


@pytest.mark.parametrize("row, zoom", [("sharp_mask", 0), ("sharp_mask_zoom", 1), ("sharp_mask_zoom2", 2)])
def test_refinement_and_zoom(row, zoom):
    model = built(f"table3_3/{row}")
    assert len(model.scales) == 7 + zoom and model.scales[-1] == pytest.approx(2 ** (0.5 + 0.5 * zoom))
    if zoom:  # the weights are those of the row without
        assert parameter("panet_tf.evaluate.scales") == model.scales
    assert model.frozen_forward and model.refinement.capacities == (32, 16, 8, 4, 2)
    assert parameter("panet_tf.patches_of.mask_size") == 160 and parameter("panet_tf.patches_of.score_share") == 0.0
    optimizer = parameter("panet_tf.train.optimizer")()
    assert optimizer.momentum == 0 and not optimizer.weight_decay and not optimizer.decay


def test_zoom_of_deep_mask():
    model = built("table3_3/deep_mask_zoom")
    assert len(model.scales) == 8 and model.scales[-1] == pytest.approx(2**1.5)
    assert parameter("panet_tf.evaluate.scales") == model.scales


@pytest.mark.parametrize(
    "row, binding, mode, capacities",
    [
        ("schedule_a", 8, "full", (8, 8, 8, 8, 8)),
        ("schedule_b", 8, "full", (8, 4, 2, 1, 1)),
        ("skip", 32, "skip", (1, 1, 1, 1, 1)),
        ("deconv", 32, "deconv", (32, 16, 8, 4, 2)),
    ],
)
def test_capacity_and_ablations(row, binding, mode, capacities):
    parse(f"papers/lin_thesis/figure3_5/{row}.gin", *SMALL, f"RefinementHead.channels = {binding}")
    head = build().refinement
    assert (head.mode, head.capacities) == (mode, capacities)


def test_the_schedule_and_the_number_of_rows():
    parse("papers/lin_thesis/table3_3/deep_mask_ours.gin", *SMALL)
    optimizer = parameter("panet_tf.train.optimizer")()
    rates = [float(optimizer._learning_rate(step)) for step in (0, 200_001, 480_001)]
    assert rates == pytest.approx([0.032, 0.016, 0.0032]) and optimizer.momentum == 0.9
    folder = ROOT / "gin" / "papers" / "lin_thesis"
    assert [len(list((folder / f"table3_{n}").glob("*.gin"))) for n in (1, 2, 3)] == [8, 4, 6]
