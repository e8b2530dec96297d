"""Sizes and multiply-adds of backbones and detectors against what was published, or follows from the papers' tables."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from panet_tf.backbones.classifier import classifier
from panet_tf.backbones.mobilenet_v2 import mobilenet_v2
from panet_tf.backbones.resnet import resnet, resnext
from panet_tf.backbones.senet import se_resnet, se_resnext, senet154
from panet_tf.layers.deform_conv import DeformConv
from panet_tf.layers.non_local import NonLocalBlock
from panet_tf.models.cost import model_cost
from panet_tf.models.mask_rcnn import mask_rcnn

COUNTS = {50: (3, 4, 6, 3), 101: (3, 4, 23, 3), 152: (3, 8, 36, 3), 269: (3, 30, 48, 8)}


NORMS = [64]  # channels of every norm of a ResNet-50
for stage, count in enumerate(COUNTS[50]):
    NORMS += [256 * 2**stage] + count * [64 * 2**stage, 64 * 2**stage, 256 * 2**stage]


def parameters(depth, groups=1, width=64, squeeze=False):
    """Numbers of a network of bottlenecks with its classifier, added up from Table 1 of ResNet and ResNeXt.

    A block of f filters has w = f / 64 * width * groups channels inside: 1x1 of in * w, 3x3 of 9 * w * w / groups, 1x1
    of w * 4f, two numbers for every channel of their norms; the first of a stage a shortcut of in * 4f and its norm.
    Squeeze and excitation: 4f * f / 4 and back, with biases.
    """
    total, channels = 3 * 49 * 64 + 128, 64
    for stage, blocks in enumerate(COUNTS[depth]):
        filters = 64 * 2**stage
        inner, out = filters * width // 64 * groups, 4 * filters
        for block in range(blocks):
            total += channels * inner + 9 * inner * inner // groups + inner * out + 2 * (2 * inner + out)
            total += (channels * out + 2 * out) * (block == 0)
            total += (2 * out * out // 16 + out // 16 + out) * squeeze
            channels = out
    return total + 2048 * 1000 + 1000


# Parameters and multiply-adds at 224 x 224 as published: torchvision's table of models (millions of multiply-adds, the
# three last digits rounded) and, for squeeze and excitation, the parameters of Cadene's ports of the authors' weights.
PUBLISHED = [
    ("resnet50", lambda: resnet(50), 25_557_032, 4_089),
    ("se_resnet50", lambda: se_resnet(50), 28_088_024, None),
    ("resnext50_32x4d", lambda: resnext(50), 25_028_904, 4_230),
]
LARGE = [
    ("resnet18", lambda: resnet(18), 11_689_512, 1_814),
    ("resnet101", lambda: resnet(101), 44_549_160, 7_801),
    ("resnet152", lambda: resnet(152), 60_192_808, 11_514),
    ("mobilenet_v2", mobilenet_v2, 3_504_872, 301),
    ("resnext101_32x8d", lambda: resnext(101, width_per_group=8), 88_791_336, 16_414),
    ("resnext101_64x4d", lambda: resnext(101, groups=64), 83_455_272, 15_460),
    ("resnext101_32x4d", lambda: resnext(101), 44_177_704, None),
    ("resnext152_32x8d", lambda: resnext(152, width_per_group=8), parameters(152, 32, 8), None),
    ("resnet269", lambda: resnet(269), parameters(269), None),
    ("se_resnet101", lambda: se_resnet(101), 49_326_872, None),
    ("se_resnext50_32x4d", lambda: se_resnext(50), 27_559_896, None),
    ("se_resnext101_32x4d", lambda: se_resnext(101), 48_955_416, None),
    ("senet154", senet154, 115_088_984, 20_688),
]


def check(build, size, multiply_adds):
    cost = model_cost(lambda: classifier(build()))
    assert cost["parameters"] == size
    if multiply_adds is not None:
        assert round(cost["multiply_adds"] / 1e6) == multiply_adds


@pytest.mark.parametrize("name, build, size, multiply_adds", PUBLISHED, ids=[row[0] for row in PUBLISHED])
def test_published_sizes(name, build, size, multiply_adds):
    check(build, size, multiply_adds)


@pytest.mark.slow
@pytest.mark.parametrize("name, build, size, multiply_adds", LARGE, ids=[row[0] for row in LARGE])
def test_published_sizes_of_large_networks(name, build, size, multiply_adds):
    check(build, size, multiply_adds)


def test_the_sum_itself():
    assert parameters(50) == 25_557_032 and parameters(50, 32, 4) == 25_028_904
    assert parameters(101, 64, 4) == 83_455_272 and parameters(101, 32, 4, squeeze=True) == 48_955_416


def test_every_kind_of_product_is_counted():
    images = keras.Input((None, None, 3))

    def model():
        x = keras.layers.Conv2D(8, 3, strides=2, padding="same", groups=1)(images)
        x = keras.layers.DepthwiseConv2D(3, padding="same")(x)
        x = keras.layers.Conv2DTranspose(4, 2, strides=2)(x)
        x = DeformConv(filters=6)(x)
        x = NonLocalBlock(filters=2)(x)
        x = keras.layers.EinsumDense("bhwc,cd->bhwd", (None, None, 5))(x)
        return keras.Model(images, keras.layers.Dense(7)(x))

    cells = 16 * 12
    expected = [cells // 4 * 3 * 9 * 8, cells // 4 * 9 * 8, cells // 4 * 8 * 4 * 4]
    expected += [cells * 4 * 9 * 18, cells * 4 * 9 * 6, 4 * cells * 6 * 2, 2 * cells * cells * 2]
    expected += [cells * 6 * 5, cells * 5 * 7]
    assert model_cost(model, (16, 12))["multiply_adds"] == sum(expected)


def test_frozen_numbers_count_but_do_not_train_and_nothing_is_left_behind():
    cost = model_cost(lambda: resnet(18), (64, 64))
    norms = 2 * sum(int(np.prod(w.shape)) for w in resnet(18).non_trainable_weights) // 4
    assert cost["parameters"] == 11_689_512 - 513_000 and cost["trainable"] == cost["parameters"] - norms
    keras.layers.Dense(2)(tf.ones((1, 2)))  # weights are made again
    with pytest.raises(ValueError, match="norm must be one of"):
        model_cost(lambda: resnet(18, norm="bn"))


@pytest.mark.slow
def test_mask_rcnn_is_as_large_as_torchvision_s():
    categories = [{"id": i, "name": str(i)} for i in range(1, 91)]
    cost = model_cost(lambda: mask_rcnn(categories=categories), (800, 1344))
    # torchvision has boxes and masks of class 0, the background, and does not count its frozen norms.
    norms = sum(2 * channels for channels in NORMS)
    assert cost["parameters"] == 44_401_393 - 4 * 1025 - 257 + norms
