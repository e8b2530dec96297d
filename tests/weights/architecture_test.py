"""Backbones told by shapes alone."""

import numpy as np
import pytest

from panet_tf.weights.architecture import find_mobilenet_alpha, find_parts, find_resnet
from tests.detectron2_shapes import detectron2_shapes
from tests.torchvision_shapes import torchvision_shapes


def _arrays(shapes):
    """Arrays of these shapes that hold one number each."""
    return {name: np.broadcast_to(np.float32(0), shape) for name, shape in shapes.items()}


@pytest.mark.parametrize("depth, blocks", [(50, (3, 4, 6, 3)), (101, (3, 4, 23, 3)), (152, (3, 8, 36, 3))])
@pytest.mark.parametrize("groups, width", [(1, 64), (32, 4), (32, 8), (64, 4)])
def test_detectron2s_resnets(depth, blocks, groups, width):
    arrays = _arrays(detectron2_shapes(blocks=blocks, groups=groups, width_per_group=width))
    assert find_resnet(arrays, "detectron2") == {"depth": depth, "groups": groups, "width_per_group": width}


@pytest.mark.parametrize("depth, blocks", [(18, (2, 2, 2, 2)), (34, (3, 4, 6, 3))])
def test_basic_blocks(depth, blocks):
    arrays = _arrays(torchvision_shapes(91, blocks=blocks, bottleneck=False))
    assert find_resnet(arrays, "torchvision") == {"depth": depth, "groups": 1, "width_per_group": 64}


@pytest.mark.parametrize("modulated, groups, channels", [(False, 1, 18), (True, 1, 27), (False, 4, 72), (True, 4, 108)])
def test_deformable_convolutions(modulated, groups, channels):
    shapes = detectron2_shapes()
    shapes |= {f"backbone.bottom_up.res{n}.0.conv2_offset.weight": (channels, 128, 3, 3) for n in (4, 5)}
    found = find_resnet(_arrays(shapes), "detectron2")
    assert found["deform_stages"] == ("C4", "C5")
    assert (found["deform_modulated"], found["deform_groups"]) == (modulated, groups)


def test_other_backbones_are_refused():
    shapes = torchvision_shapes(91, blocks=(3, 3, 3, 3))
    with pytest.raises(ValueError, match=r"received stages of \(3, 3, 3, 3\) bottlenecks"):
        find_resnet(_arrays(shapes), "torchvision")


def test_parts_are_those_that_are_there():
    parts = find_parts(_arrays(detectron2_shapes(masks=True, stages=3)), "detectron2")
    assert sorted(parts["stages"]) == ["0", "1", "2"] and parts["masks"] == {"": (80, 256, 1, 1)}
    assert "keypoints" not in parts and "dense_classes" not in parts and "neck_norm" not in parts


def test_mobilenets_width():
    assert find_mobilenet_alpha({"features.17.conv.2.weight": np.zeros((320, 960, 1, 1))}) == 1
    assert find_mobilenet_alpha({"block_16_project/kernel": np.zeros((1, 1, 336, 112))}) == 0.35
    assert find_mobilenet_alpha({"conv1.weight": np.zeros((64, 3, 7, 7))}) is None
