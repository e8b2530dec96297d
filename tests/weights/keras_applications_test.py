"""`keras.applications` itself against the backbones here, by the same numbers in and out."""

import keras
import numpy as np
import pytest

from panet_tf.backbones.mobilenet_v2 import mobilenet_v2
from panet_tf.backbones.resnet import resnet
from panet_tf.layers.norms import make_norm
from panet_tf.weights import load
from tests.layer_checks import randomize


def _images(size):
    return np.random.default_rng(0).standard_normal((1, *size, 3)).astype("float32")


def _compare(source, names, model, images):
    """Feature maps of the model, fed red, green, blue, against layers of the source, fed as it wants."""
    there = keras.Model(source.input, [source.get_layer(name).output for name in names])
    wanted = there.predict(images, verbose=0)
    found = model.predict(images[..., ::-1] if names[0].startswith("conv") else images, verbose=0)
    for level, values in zip(("C2", "C3", "C4", "C5"), wanted, strict=True):
        assert found[level].shape == values.shape
        # float32 through up to 152 layers; activations are of the size of the largest
        np.testing.assert_allclose(found[level], values, rtol=1e-4, atol=1e-4 * np.abs(values).max())


def test_mobilenet_v2(tmp_path):
    source = keras.applications.MobileNetV2(weights=None, alpha=0.35, input_shape=(64, 96, 3), include_top=False)
    randomize(source)
    source.save_weights(tmp_path / "mobilenet.weights.h5")
    model = mobilenet_v2(alpha=0.35)
    report = load(model, tmp_path / "mobilenet.weights.h5", verbose=False)
    assert not report.skipped and not report.missing and len(report.loaded) == len(source.weights)
    _compare(source, ("block_2_add", "block_5_add", "block_12_add", "out_relu"), model, _images((64, 96)))


@pytest.mark.slow
@pytest.mark.parametrize("depth, ending", [(50, "weights.h5"), (50, "h5"), (50, "keras"), (101, "h5"), (152, "h5")])
def test_resnet(depth, ending, tmp_path):
    build = getattr(keras.applications, f"ResNet{depth}")
    source = build(weights=None, input_shape=(64, 96, 3), include_top=False)
    randomize(source)
    path = tmp_path / f"resnet.{ending}"
    (source.save_weights if ending == "weights.h5" else source.save)(path)
    model = resnet(depth)
    report = load(model, path, verbose=False)
    assert not report.skipped and not report.missing and len(report.loaded) == len(source.weights)
    blocks = {50: (3, 4, 6, 3), 101: (3, 4, 23, 3), 152: (3, 8, 36, 3)}[depth]
    names = [f"conv{stage}_block{count}_out" for stage, count in enumerate(blocks, start=2)]
    _compare(source, names, model, _images((64, 96)))


def test_biases_go_into_the_means_where_the_norms_have_a_place():
    """The stem of ResNet, in a model of nothing else: with frozen batch norm, and with group norm."""
    rng = np.random.default_rng(0)
    shapes = {"conv1_conv/kernel": (7, 7, 3, 8), "conv1_conv/bias": (8,)}
    shapes |= {f"conv1_bn/{leaf}": (8,) for leaf in ("gamma", "beta", "moving_mean", "moving_variance")}
    arrays = {name: rng.random(shape).astype("float32") for name, shape in shapes.items()}

    def stem(norm):
        images = keras.Input((None, None, 3))
        x = keras.layers.Conv2D(8, 7, use_bias=False, name="conv1")(images)
        return keras.Model(images, make_norm(norm, name="bn1")(x))

    model, images = stem("frozen_bn"), _images((7, 7))
    report = load(model, arrays, verbose=False)
    assert sorted(report.loaded) == sorted(arrays) and not report.skipped and not report.missing
    gamma, beta, mean, variance = list(arrays.values())[2:]
    wanted = np.einsum("hwc,hwco->o", images[0, ..., ::-1], arrays["conv1_conv/kernel"]) + arrays["conv1_conv/bias"]
    wanted = gamma * (wanted - mean) / np.sqrt(variance + 1.001e-5) + beta
    np.testing.assert_allclose(model(images)[0, 0, 0], wanted, rtol=1e-4, atol=1e-5)

    report = load(stem("group"), arrays, verbose=False)
    assert report.loaded == ("conv1_conv/kernel",)
    assert sorted(name for name, _, _ in report.skipped) == sorted(set(arrays) - {"conv1_conv/kernel"})
