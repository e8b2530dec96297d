"""ResNets against a NumPy twin, recorded values of torchvision's detector, and the published sizes."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from panet_tf.backbones.resnet import resnet
from panet_tf.weights.loading import load
from tests.backbones import torch_twins
from tests.golden_input import resized
from tests.layer_checks import assert_close, randomize

# torchvision's table of models, less the classifiers (1000 classes and a bias each).
SIZES = {
    18: 11_689_512 - 513_000,
    34: 21_797_672 - 513_000,
    50: 25_557_032 - 2_049_000,
    101: 44_549_160 - 2_049_000,
    152: 60_192_808 - 2_049_000,
}


def torch_arrays(model, seeded, seed=0, prefix=""):
    """Seeded arrays under torch's names and in torch's shapes for every weight of a ResNet."""
    leaves = {"gamma": "weight", "beta": "bias", "moving_mean": "running_mean", "moving_variance": "running_var"}
    arrays = {}
    for weight in model.weights:
        path, leaf = weight.path.split("/")
        parts = path.split("_")
        name = ".".join([*parts, leaves.get(leaf, "weight")])
        shape = tuple(weight.shape[i] for i in (3, 2, 0, 1)) if len(weight.shape) == 4 else tuple(weight.shape)
        arrays[name] = seeded.seeded(prefix + name, shape, seed)
    return arrays


@pytest.mark.parametrize("depth, size", SIZES.items())
def test_sizes_are_the_published_ones(depth, size):
    model = resnet(depth, norm="batch")
    assert sum(int(np.prod(weight.shape)) for weight in model.trainable_weights) == size


@pytest.mark.parametrize("depth, stride_in", [(18, "3x3"), (50, "3x3"), (50, "1x1")])
def test_levels_equal_the_twin(depth, stride_in, seeded, tmp_path):
    model = resnet(depth, stride_in=stride_in)
    arrays = torch_arrays(model, seeded)
    np.savez(tmp_path / "weights.npz", **arrays)
    report = load(model, tmp_path / "weights.npz", verbose=False)
    assert not report.skipped and not report.missing and len(report.loaded) == len(model.weights)
    x = np.random.default_rng(3).standard_normal((64, 64, 3)).astype("float32")
    expected = torch_twins.resnet(arrays, x.transpose(2, 0, 1), bottleneck=depth == 50, stride_in=stride_in)
    levels = model(x[None])
    for level, twin in zip(("C2", "C3", "C4", "C5"), expected, strict=True):
        assert_close(levels[level][0], twin.transpose(1, 2, 0), rtol=1e-4)


def test_odd_sizes_give_ceil_sized_levels(seeded):
    model = resnet(18)
    arrays = torch_arrays(model, seeded)
    x = np.random.default_rng(4).standard_normal((45, 67, 3)).astype("float32")
    shapes = {level: tuple(y.shape[1:3]) for level, y in model(x[None]).items()}
    assert shapes == {"C2": (12, 17), "C3": (6, 9), "C4": (3, 5), "C5": (2, 3)}
    twins = torch_twins.resnet(arrays, x.transpose(2, 0, 1), bottleneck=False)
    assert [y.shape[1:] for y in twins] == list(shapes.values())


def test_epsilon_reaches_every_norm():
    model = resnet(18, epsilon=0.0)
    assert {layer.epsilon for layer in model.layers if hasattr(layer, "epsilon")} == {0.0}


@pytest.mark.golden
def test_stages_feed_torchvisions_pyramid(golden, seeded, tmp_path):
    recorded = golden("maskrcnn")
    seed = int(recorded["seed"])
    model = resnet(50)
    arrays = torch_arrays(model, seeded, seed, prefix="backbone.body.")
    np.savez(tmp_path / "weights.npz", **arrays)
    load(model, tmp_path / "weights.npz", verbose=False)
    height, width = recorded["image_hw"]
    images = seeded.image(int(height), int(width), seed)
    images = (images - np.float32([0.485, 0.456, 0.406])) / np.float32([0.229, 0.224, 0.225])
    images = tf.image.resize(images[None], resized(recorded))
    _, _, h, w = recorded["network_input_shape_nchw"]
    images = tf.image.pad_to_bounding_box(images, 0, 0, h, w)
    sample = np.asarray(images)[0, ::16, ::16].transpose(2, 0, 1)
    np.testing.assert_allclose(sample, recorded["network_input_sample"], atol=1e-4)  # resizing in float32
    levels = model(images)
    above = None
    for i in (3, 2, 1, 0):  # torchvision's pyramid: lateral, nearest from above, 3x3
        inner, outer = (f"backbone.fpn.{kind}_blocks.{i}.0" for kind in ("inner", "layer"))
        channels = levels[f"C{i + 2}"].shape[-1]
        kernel = seeded.seeded(f"{inner}.weight", (256, channels, 1, 1), seed)[:, :, 0, 0].T
        lateral = levels[f"C{i + 2}"] @ kernel + seeded.seeded(f"{inner}.bias", (256,), seed)
        above = lateral if above is None else lateral + tf.repeat(tf.repeat(above, 2, axis=1), 2, axis=2)
        kernel = seeded.seeded(f"{outer}.weight", (256, 256, 3, 3), seed).transpose(2, 3, 1, 0)
        feature = np.asarray(tf.nn.conv2d(above, kernel, 1, "SAME") + seeded.seeded(f"{outer}.bias", (256,), seed))[0]
        assert_close(feature.mean((0, 1)), recorded[f"feature_{i}_mean"], rtol=1e-3)
        assert_close(feature[:8, :8, :16].transpose(2, 0, 1), recorded[f"feature_{i}_corner"], rtol=1e-3)


@pytest.mark.parametrize(
    "norm, trainable, other",
    [(None, 40, 0), ("frozen_bn", 20, 80), ("batch", 60, 40), ("sync_bn", 60, 40), ("group", 60, 0)],
)
def test_every_norm_works_after_loading_and_in_bfloat16(norm, trainable, other, tmp_path):
    model = resnet(18, norm=norm)
    assert (len(model.trainable_weights), len(model.non_trainable_weights)) == (trainable, other)
    randomize(model)
    x = np.random.default_rng(0).standard_normal((2, 64, 64, 3)).astype("float32")
    levels = model(x)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert_close(loaded(x), levels, rtol=1e-6)
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        mixed = resnet(18, norm=norm)
    finally:
        keras.config.set_dtype_policy(policy)
    mixed.set_weights(model.get_weights())
    for level, y in mixed(x).items():
        assert y.dtype == tf.bfloat16
        exact = np.asarray(levels[level])
        difference = np.abs(np.asarray(tf.cast(y, tf.float32)) - exact).mean()
        assert difference < 0.1 * np.abs(exact).mean()  # bfloat16 keeps 8 bits, and 20 layers are stacked


@pytest.mark.parametrize("norm, moves", [("frozen_bn", False), ("batch", True)])
def test_only_batch_norm_moves_in_training(norm, moves):
    model = resnet(18, norm=norm)
    before = [np.array(weight) for weight in model.non_trainable_weights]
    model(np.random.default_rng(0).standard_normal((2, 32, 32, 3)).astype("float32"), training=True)
    changed = [not np.array_equal(old, new) for old, new in zip(before, model.non_trainable_weights)]
    assert all(changed) if moves else not any(changed)


@pytest.mark.parametrize(
    "kwargs, message",
    [
        ({"depth": 49}, "depth must be one of.*received 49"),
        ({"stride_in": "7x7"}, "stride_in must be"),
        ({"norm": "bn"}, "norm must be one of"),
        ({"weights": "imagenet_v3"}, "Nearest names.*resnet50/imagenet"),
    ],
)
def test_wrong_arguments_are_refused(kwargs, message):
    with pytest.raises(ValueError, match=message):
        resnet(**kwargs)
