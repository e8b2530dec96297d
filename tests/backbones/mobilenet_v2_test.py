"""MobileNetV2 with its packaged weights against a NumPy twin."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from panet_tf.backbones.mobilenet_v2 import mobilenet_v2
from panet_tf.weights.arrays_file import read_arrays
from panet_tf.weights.published import locate
from tests.backbones import torch_twins
from tests.layer_checks import assert_close, randomize


@pytest.fixture(scope="module")
def imagenet():
    return mobilenet_v2(weights="imagenet")


def test_levels_equal_the_twin_with_imagenet_weights(imagenet, seeded):
    x = (seeded.image(64, 64, 5) - np.float32([0.485, 0.456, 0.406])) / np.float32([0.229, 0.224, 0.225])
    arrays = read_arrays(locate("mobilenet_v2/imagenet"))
    features = torch_twins.mobilenet_v2(arrays, x.transpose(2, 0, 1).astype("float64"))
    levels = imagenet(x[None])
    for level, i in {"C2": 3, "C3": 6, "C4": 13, "C5": 18}.items():
        assert_close(levels[level][0], features[i].transpose(1, 2, 0), rtol=1e-4)


def test_every_weight_is_in_the_package_and_no_other(capsys):
    model = mobilenet_v2(weights="imagenet")
    assert capsys.readouterr().out == f"Loaded {len(model.weights)} arrays from mobilenet_v2_imagenet.npz.\n"


def test_size_is_the_published_one():
    model = mobilenet_v2(norm="batch")
    size = sum(int(np.prod(weight.shape)) for weight in model.trainable_weights)
    assert size == 3_504_872 - 1_281_000  # torchvision's model less its classifier


def test_levels_and_strides(imagenet):
    channels = {level: y.shape[-1] for level, y in imagenet.output.items()}
    assert channels == {"C2": 24, "C3": 32, "C4": 96, "C5": 1280}
    sides = [y.shape[1:3] for y in imagenet(np.zeros((1, 96, 70, 3), "float32")).values()]
    assert sides == [(24, 18), (12, 9), (6, 5), (3, 3)]


def test_c5_can_be_the_last_block(imagenet):
    model = mobilenet_v2(last_conv=False, weights="imagenet")
    assert model.output["C5"].shape[-1] == 320
    x = np.random.default_rng(0).standard_normal((1, 64, 64, 3)).astype("float32")
    assert_close(model(x)["C4"], imagenet(x)["C4"], rtol=1e-6)


@pytest.mark.parametrize(
    "alpha, channels", [(0.35, (8, 16, 32, 1280)), (0.5, (16, 16, 48, 1280)), (1.4, (32, 48, 136, 1792))]
)
def test_alpha_scales_channels_to_multiples_of_8(alpha, channels):
    assert tuple(y.shape[-1] for y in mobilenet_v2(alpha=alpha).output.values()) == channels


@pytest.mark.parametrize("norm", [None, "frozen_bn", "batch", "sync_bn", "group"])
def test_every_norm_works_after_loading_and_in_bfloat16(norm, tmp_path):
    model = mobilenet_v2(alpha=0.35, norm=norm)
    randomize(model)
    x = np.random.default_rng(0).standard_normal((2, 64, 64, 3)).astype("float32")
    levels = model(x)
    model.save(tmp_path / "model.keras")
    assert_close(keras.saving.load_model(tmp_path / "model.keras")(x), levels, rtol=1e-6)
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        mixed = mobilenet_v2(alpha=0.35, norm=norm)
    finally:
        keras.config.set_dtype_policy(policy)
    mixed.set_weights(model.get_weights())
    for level, y in mixed(x).items():
        assert y.dtype == tf.bfloat16
        exact = np.asarray(levels[level])
        difference = np.abs(np.asarray(tf.cast(y, tf.float32)) - exact).mean()
        assert difference < 0.15 * np.abs(exact).mean()  # bfloat16 keeps 8 bits, and 53 layers are stacked


def test_group_norm_takes_kernels_but_no_numbers_of_batch_norms(capsys):
    model = mobilenet_v2(norm="group", weights="imagenet")
    assert "Loaded 52 arrays" in (out := capsys.readouterr().out) and "Skipped 208" in out
    gammas = [weight for weight in model.weights if weight.path.endswith("gamma")]
    assert len(gammas) == 52 and all(np.all(np.asarray(gamma) == 1) for gamma in gammas)
