"""Networks of other packages as backbones."""

import subprocess
import sys

import keras
import numpy as np
import pytest

from panet_tf.backbones.adapter import adapt_backbone
from tests.layer_checks import assert_close


def _chain(strides=(2, 2, 2, 2, 2), side=None):
    images = keras.Input((side, side, 3))
    x = images
    for i, stride in enumerate(strides, start=1):
        x = keras.layers.Conv2D(4, 3, strides=stride, padding="same", name=f"stage{i}")(x)
        x = keras.layers.ReLU(name=f"relu{i}")(x)
    x = keras.layers.GlobalAveragePooling2D()(x)
    return keras.Model(images, keras.layers.Dense(3, name="head")(x), name="chain")


def _sources(model):
    return {level: tensor._keras_history.operation.name for level, tensor in model.output.items()}


def test_levels_are_found_as_the_last_layer_of_each_stride():
    model = _chain((4, 2, 2, 1, 2))
    backbone = adapt_backbone(model)
    assert _sources(backbone) == {"C2": "relu1", "C3": "relu2", "C4": "relu4", "C5": "relu5"}
    x = np.random.default_rng(0).standard_normal((1, 64, 96, 3)).astype("float32")
    expected = keras.Model(model.inputs[0], model.get_layer("relu4").output)(x)
    assert_close(backbone(x)["C4"], expected, rtol=1e-6)


def test_levels_can_be_named():
    outputs = {"C2": "stage2", "C3": "stage3", "C4": "relu4", "C5": "relu5"}
    assert _sources(adapt_backbone(_chain(), outputs)) == outputs


def test_pyramid_outputs_of_keras_hub_are_taken():
    model = _chain()
    model.pyramid_outputs = {f"P{i}": model.get_layer(f"stage{i}").output for i in range(1, 6)}
    assert _sources(adapt_backbone(model)) == {f"C{i}": f"stage{i}" for i in (2, 3, 4, 5)}


def test_models_of_one_size_keep_it():
    assert adapt_backbone(_chain(side=64)).output["C5"].shape == (None, 2, 2, 4)


@pytest.mark.parametrize(
    "build, channels",
    [
        (keras.applications.MobileNetV2, (144, 192, 576, 1280)),
        (keras.applications.ResNet50, (256, 512, 1024, 2048)),
        (keras.applications.EfficientNetV2B0, (32, 192, 672, 1280)),
    ],
)
def test_keras_applications_adapt_by_themselves(build, channels):
    model = build(include_top=False, weights=None, input_shape=(None, None, 3))
    backbone = adapt_backbone(model, frozen_norms=True)
    assert tuple(y.shape[-1] for y in backbone.output.values()) == channels
    norms = [layer for layer in backbone.layers if isinstance(layer, keras.layers.BatchNormalization)]
    assert norms and not any(norm.trainable for norm in norms)
    sides = [y.shape[1:3] for y in backbone(np.zeros((1, 64, 96, 3), "float32")).values()]
    assert sides == [(16, 24), (8, 12), (4, 6), (2, 3)]


@pytest.mark.parametrize(
    "model, outputs, message",
    [
        (_chain((2, 2, 2, 2)), None, r"\['C5'\] are missing"),
        (_chain(), {"C2": "stage9"}, "received {'C2': 'stage9'}"),
        (_chain(), {"C2": "stage2", "C3": "stage3", "C4": "stage4", "C5": "stage4"}, "C5 must have stride 32.*16"),
        (keras.Sequential(), None, "must be functional"),
    ],
)
def test_what_is_no_backbone_is_refused(model, outputs, message):
    with pytest.raises(ValueError, match=message):
        adapt_backbone(model, outputs)


def test_nothing_imports_keras_cv_before_it_is_asked_for():
    code = "import sys, panet_tf.backbones, panet_tf.backbones.efficientnet_lite; assert 'keras_cv' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
