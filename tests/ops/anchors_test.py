"""Anchors: their places, shapes and order, and torchvision's as a special case."""

import numpy as np
import pytest
import tensorflow as tf

from panet_tf.ops.anchors import anchors, cell_anchors


def slow_anchors(height, width, stride, sizes, ratios, offset):
    """The definition, one anchor at a time."""
    result = []
    for i in range(height):
        for j in range(width):
            for size in sizes:
                for ratio in ratios:
                    y, x = (i + offset) * stride, (j + offset) * stride
                    h, w = size * ratio**0.5, size / ratio**0.5
                    result.append([y - h / 2, x - w / 2, y + h / 2, x + w / 2])
    return np.array(result)


@pytest.mark.parametrize("offset", [0.5, 0.0])
def test_anchors_equal_their_definition(offset):
    ratios = (0.5, 1.0, 2.0)
    result = anchors({"P3": (3, 4), "P4": (2, 2)}, sizes={"P3": (32, 48), "P4": 64}, ratios=ratios, offset=offset)
    assert list(result) == ["P3", "P4"] and result["P3"].shape == (3 * 4 * 6, 4)
    np.testing.assert_allclose(result["P3"], slow_anchors(3, 4, 8, (32, 48), ratios, offset), atol=1e-4)
    np.testing.assert_allclose(result["P4"], slow_anchors(2, 2, 16, (64,), ratios, offset), atol=1e-4)


def test_ratio_is_height_over_width_and_keeps_the_area():
    box = anchors({"P2": (1, 1)}, sizes=(32,), ratios=(2.0,))["P2"][0].numpy()
    height, width = box[2:] - box[:2]
    assert height / width == pytest.approx(2.0, rel=1e-5) and height * width == pytest.approx(32 * 32, rel=1e-5)


def test_scales_of_an_octave_follow_each_size():
    result = anchors({"P3": (1, 1)}, sizes=((32, 100),), ratios=(1.0,), scales_per_octave=3)["P3"].numpy()
    sides = result[:, 2] - result[:, 0]
    np.testing.assert_allclose(
        sides, [32, 32 * 2 ** (1 / 3), 32 * 2 ** (2 / 3), 100, 100 * 2 ** (1 / 3), 100 * 2 ** (2 / 3)]
    )


def test_sizes_known_only_when_running_give_the_same():
    @tf.function(autograph=False)
    def draw(images):
        shape = tf.shape(images)
        return anchors({"P5": (shape[1] // 32, shape[2] // 32)}, sizes=(512,))["P5"]

    np.testing.assert_array_equal(draw(tf.zeros((1, 96, 128, 3))), anchors({"P5": (3, 4)}, sizes=(512,))["P5"])


@pytest.mark.parametrize(
    ("level", "size", "sides"),  # heights and widths of ratios 0.5, 1, 2: Detectron's `generate_anchors`
    [
        ("P2", 32, [(24, 48), (32, 32), (48, 24)]),
        ("P3", 64, [(48, 88), (64, 64), (96, 48)]),
        ("P4", 128, [(96, 184), (128, 128), (176, 88)]),
        ("P6", 512, [(368, 728), (512, 512), (720, 360)]),
    ],
)
def test_detectrons_anchors_are_rounded_at_the_stride(level, size, sides):
    stride = 2 ** int(level[1])
    boxes = anchors({level: (1, 2)}, sizes=(size,), rounding="stride")[level].numpy()
    np.testing.assert_array_equal(boxes[:, 2:] - boxes[:, :2], sides * 2)
    centres = (boxes[:, 2:] + boxes[:, :2]) / 2
    np.testing.assert_array_equal(centres, [(stride / 2, stride / 2)] * 3 + [(stride / 2, 1.5 * stride)] * 3)


def test_other_roundings_are_refused():
    assert np.array_equal(cell_anchors(33, rounding=True), cell_anchors(33, rounding="size"))
    with pytest.raises(ValueError, match="rounding must be .*received 'level'"):
        anchors({"P2": (1, 1)}, sizes=(32,), rounding="level")
    with pytest.raises(ValueError, match="needs strides that are numbers"):
        anchors({"P2": (1, 1)}, sizes=(32,), rounding="stride", strides=[(tf.constant(4), tf.constant(4))])


@pytest.mark.golden
def test_torchvisions_anchors_are_a_setting(golden):
    values = golden("maskrcnn")
    padded = np.array(values["network_input_shape_nchw"][2:])
    shapes = {f"P{n + 2}": tuple(values[f"feature_{i}_shape"][2:]) for n, i in enumerate((0, 1, 2, 3, "pool"))}
    strides = {level: tuple(int(s) for s in padded // shape) for level, shape in shapes.items()}
    result = anchors(shapes, sizes=(32, 64, 128, 256, 512), offset=0.0, rounding=True, strides=strides)
    together = np.concatenate(list(result.values()))[:, [1, 0, 3, 2]]
    assert len(together) == values["anchors_count"]
    np.testing.assert_array_equal(together[: len(values["anchors_first"])], values["anchors_first"])


def test_levels_without_size_or_stride_are_named():
    with pytest.raises(ValueError, match="P4"):
        anchors({"P3": (1, 1), "P4": (1, 1)}, sizes={"P3": 32})
    with pytest.raises(ValueError, match="one entry"):
        anchors({"P3": (1, 1), "P4": (1, 1)}, sizes=(32,))
    with pytest.raises(ValueError, match="stride"):
        anchors({"fine": (1, 1)}, sizes=(32,))
