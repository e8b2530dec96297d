"""Rules from names to places, and changes of order against what a layer computes."""

import types

import numpy as np
import pytest

from panet_tf.weights import key_maps
from panet_tf.weights.key_maps import Rule, class_mismatch, find_part, translate

RNG = np.random.default_rng(0)


def part(**attributes):
    return types.SimpleNamespace(**attributes)


def model():
    return part(
        backbone=part(name="backbone"),
        necks=[part(path="fpn", laterals=1), part(path="pafpn", downs=1)],
        box_head=part(path="box_head", num_convs=0),
        mask_head=part(path="mask_head", num_convs=4),
        box_stages=[part(box_head=part(path="stage2/box_head"))],
        rpn_head=None,
        box_pooling=part(output_size=3),
    )


def test_parts_are_found_by_name():
    whole = model()
    assert find_part(whole, "backbone") is whole.backbone and find_part(whole.backbone, "backbone") is whole.backbone
    assert [find_part(whole, name).path for name in ("neck", "path")] == ["fpn", "pafpn"]
    assert find_part(whole, "box_stages.0.box_head").path == "stage2/box_head"
    for absent in ("box_stages.1.box_head", "rpn_head", "keypoint_head", "rpn_head.deep"):
        assert find_part(whole, absent) is None
    assert find_part(part(), "neck") is None


def test_the_first_rule_that_matches_a_whole_name_counts():
    whole = model()
    rules = (
        Rule(r"bb\.res(\d)", "backbone", lambda _, stage: f"layer{int(stage) - 1}"),
        Rule(r"head(\d)\.fc(\d)", "box_stages.{0}.box_head", "fc{1}"),
        Rule(r"box\.(fc\d)", "box_head", "{0}.dense", lambda array, context: array + len(context.arrays)),
        Rule(r"box\..*", "mask_head", "never"),
        Rule(r"rpn", "rpn_head", "conv"),
    )
    names = ("bb.res2.weight", "head0.fc1.bias", "head1.fc1.bias", "box.fc2.weight", "rpn.weight", "xbox.fc2.weight")
    arrays = {name: np.float32([i]) for i, name in enumerate(names)}
    translated, origins = translate(whole, arrays, rules)
    places = ("layer1.weight", "stage2.box_head.fc1.bias", "head1.fc1.bias", "box_head.fc2.dense.weight", *names[4:])
    assert list(translated) == list(places) and list(origins.values()) == list(names)
    assert [float(array[0]) for array in translated.values()] == [0, 1, 2, 3 + 6, 4, 5]


def test_classes_that_differ_are_said():
    assert class_mismatch(part(num_classes=80), 80) is None and class_mismatch(None, 80) is None
    assert class_mismatch(part(num_classes=3), 80, "points") == "it predicts 80 points, the model has 3"


@pytest.mark.parametrize(
    "name, place",
    [
        ("res2.0.conv1", "layer1.0.conv1"),
        ("res5.2.conv3.norm", "layer4.2.bn3"),
        ("res3.0.shortcut", "layer2.0.downsample.0"),
        ("res3.0.shortcut.norm", "layer2.0.downsample.1"),
        ("res3.0.shortcut.other", None),
    ],
)
def test_residual_blocks_are_counted_from_one(name, place):
    rules = key_maps.resnet_rules("bottom_up.", norm=r"conv{}\.norm", shortcut=("shortcut", r"shortcut\.norm"))
    source = f"bottom_up.{name}.weight"
    translated, _ = translate(model(), {source: 0}, rules)
    assert list(translated) == [f"{place}.weight" if place else source]


def test_numbers_start_where_a_layer_counts_from():
    assert key_maps.numbered("conv{}.conv", 1)(None, "0") == "conv1.conv"
    assert [key_maps.head_conv(1)(None, i) for i in "01"] == ["first.conv1.conv", "conv2.conv"]
    of_head = [key_maps.head_dense(1)(head, "0") for head in (model().box_head, model().mask_head)]
    assert of_head == ["first.fc1.dense", "fc1.dense"]  # behind convolutions it is not the first layer


def test_deltas_are_reordered_row_by_row():
    weights, x = RNG.normal(size=(12, 5)), RNG.normal(size=5)
    dx, dy, dw, dh = (weights @ x).reshape(3, 4).T
    ours = np.stack([dy, dx, dh, dw], axis=-1)
    for reorder in (key_maps.anchor_deltas, key_maps.box_deltas):
        np.testing.assert_allclose((reorder(weights, None) @ x).reshape(3, 4), ours)
        np.testing.assert_allclose(reorder(weights @ x, None).reshape(3, 4), ours)  # biases
    np.testing.assert_allclose((key_maps.box_deltas_after_background(weights, None) @ x).reshape(2, 4), ours[1:])


def test_background_moves_to_the_front_or_away():
    rows = np.arange(4)[:, None]
    assert key_maps.background_first(rows, None).ravel().tolist() == [3, 0, 1, 2]
    assert key_maps.without_background(rows, None).ravel().tolist() == [1, 2, 3]
    assert key_maps.without_background(rows[:1], None).ravel().tolist() == [0]  # class-agnostic


def test_flattened_regions_give_the_same_product():
    weights, region = RNG.normal(size=(6, 2 * 9)), RNG.normal(size=(2, 3, 3))  # channel, row, column
    reorder = key_maps.flattened("box_pooling")
    context = key_maps.Context(model(), None, "fc1", {})
    ours = reorder(weights, context) @ region.transpose(1, 2, 0).ravel()
    np.testing.assert_allclose(ours, weights @ region.ravel())
    for other in (RNG.normal(size=(6, 10)), RNG.normal(size=9)):
        np.testing.assert_array_equal(reorder(other, context), other)
    seven = key_maps.Context(part(), None, "fc1", {})  # where the model does not say
    changed = reorder(np.arange(98)[None], seven)
    assert changed[0, :3].tolist() == [0, 49, 1]


def test_colors_are_turned_in_the_first_convolution_alone():
    kernel, picture = RNG.normal(size=(4, 3, 2, 2)), RNG.normal(size=(3, 2, 2))
    ours = np.einsum("oihw,ihw->o", key_maps.reversed_colors(kernel, None), picture[::-1])
    np.testing.assert_allclose(ours, np.einsum("oihw,ihw->o", kernel, picture))
    deeper = RNG.normal(size=(4, 8, 1, 1))
    np.testing.assert_array_equal(key_maps.reversed_colors(deeper, None), deeper)
