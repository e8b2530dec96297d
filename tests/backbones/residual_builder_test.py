"""Blocks of every kind against a NumPy twin, and additions that start as nothing against the plain network."""

import keras
import numpy as np
import pytest

from panet_tf.backbones import residual_builder
from panet_tf.backbones.freezing import freeze
from panet_tf.backbones.residual_builder import ResidualBuilder
from panet_tf.backbones.resnet import resnet, resnext
from panet_tf.backbones.senet import se_resnet, senet154
from panet_tf.weights.loading import load
from tests.backbones import torch_twins
from tests.layer_checks import assert_close

X = np.random.default_rng(3).standard_normal((32, 32, 3)).astype("float32")
SENET = {"block": "senet", "groups": 64, "downsample_size": 3, "squeeze": 16}


def network(options=None, stem=(64,), prefix="", padding=1, **levels):
    """A residual network of a block a stage."""
    builder = ResidualBuilder(**(options or {}))
    images = keras.Input((None, None, 3))
    return keras.Model(images, builder.levels(builder.stem(images, stem, prefix, padding), (1, 1, 1, 1), **levels))


def torch_arrays(model, seeded):
    """Seeded arrays under torch's names and in torch's shapes for every weight."""
    leaves = {"gamma": "weight", "beta": "bias", "moving_mean": "running_mean", "moving_variance": "running_var"}
    arrays = {}
    for weight in model.weights:
        *path, leaf = weight.path.split("/")
        name = "_".join(path).replace("se_module", "se-module")
        name = ".".join([*name.split("_"), leaves.get(leaf, "bias" if leaf == "bias" else "weight")])
        name = name.replace("se-module", "se_module")
        shape = tuple(weight.shape[i] for i in (3, 2, 0, 1)) if len(weight.shape) == 4 else tuple(weight.shape)
        arrays[name] = seeded.seeded(name, shape, 0)
    return arrays


@pytest.mark.parametrize(
    "options, stem, prefix, padding",
    [
        ({"groups": 32, "width_per_group": 4}, (64,), "", 1),
        (SENET, (64, 64, 128), "layer0_", ((0, 1), (0, 1))),
    ],
)
def test_levels_equal_the_twin_under_torchs_names(options, stem, prefix, padding, seeded):
    model = network(options, stem, prefix, padding)
    arrays = torch_arrays(model, seeded)
    report = load(model, arrays, verbose=False)
    assert not report.skipped and not report.missing
    expected = torch_twins.resnet(arrays, X.transpose(2, 0, 1), bottleneck=True)
    for level, twin in zip(model(X[None]).values(), expected, strict=True):
        assert_close(level[0], twin.transpose(1, 2, 0), rtol=1e-4)


def test_additions_start_as_the_plain_network(seeded):
    plain = network()
    load(plain, torch_arrays(plain, seeded), verbose=False)
    grown = network(deform_stages=("C4", ("C5", 1)), non_local=(("C3", -1), ("C4", 0)))
    values = {weight.path: weight for weight in plain.weights}
    added = set()
    for weight in grown.weights:
        if weight.path in values:
            weight.assign(values.pop(weight.path))
        else:
            added.add(weight.path.split("/")[0])
    assert not values
    assert added == {"layer2_0_non_local", "layer3_0_non_local", "layer3_0_conv2", "layer4_0_conv2"}
    assert_close(grown(X[None]), plain(X[None]))


def test_a_dilated_stage_keeps_the_stride():
    model = network(dilated=True, outputs=("C3", "C4"))
    assert {level: y.shape[1:] for level, y in model(X[None]).items()} == {"C3": (4, 4, 512), "C4": (2, 2, 2048)}
    rates = {layer.name: layer.dilation_rate for layer in model.layers if hasattr(layer, "dilation_rate")}
    assert rates["layer4_0_conv2"] == (2, 2) and {*rates.values()} == {(1, 1), (2, 2)}
    assert sum(rate == (2, 2) for rate in rates.values()) == 1


def _counts(function, *args, monkeypatch=None, **kwargs):
    """What a backbone's function asks of the builder, without building it."""
    asked = {}

    def levels(self, x, counts, **options):
        asked.update(vars(self), counts=counts, **options)
        return {"C2": keras.layers.ReLU(name="layer1_0_relu")(x)}

    with monkeypatch.context() as patch:
        patch.setattr(residual_builder.ResidualBuilder, "levels", levels)
        model = function(*args, **kwargs)
    return model.name, asked


def test_names_and_blocks_of_the_published_networks(monkeypatch):
    name, asked = _counts(resnext, 101, groups=64, monkeypatch=monkeypatch)
    assert (name, asked["counts"], asked["groups"], asked["width_per_group"]) == (
        "resnext101_64x4d",
        (3, 4, 23, 3),
        64,
        4,
    )
    name, asked = _counts(senet154, monkeypatch=monkeypatch)
    assert (name, asked["counts"], asked["kind"], asked["squeeze"]) == ("senet154", (3, 8, 36, 3), "senet", 16)
    name, asked = _counts(se_resnet, 50, monkeypatch=monkeypatch, dilated=True)
    assert (name, asked["stride_in"], asked["dilated"]) == ("se_resnet50", "1x1", True)
    name, asked = _counts(resnet, 269, monkeypatch=monkeypatch)
    assert 3 * sum(asked["counts"]) + 2 == 269


@pytest.mark.parametrize("prefix", ["", "layer0_"])
def test_freezing_knows_the_stages_of_networks_with_fewer_outputs(prefix):
    model = network(prefix=prefix, outputs=("C4",), non_local=(("C3", 0),))
    for stages, expected in ((1, {"conv1", "layer0"}), (3, {"conv1", "layer0", "layer1", "layer2"})):
        freeze(model, stages)
        frozen = {layer.name.split("_")[0] for layer in model.layers if layer.weights and not layer.trainable}
        assert frozen == expected - ({"conv1"} if prefix else {"layer0"}) | (set() if prefix else {"bn1"})
        assert not any(layer.name.startswith("layer4") for layer in model.layers)
    assert not model.get_layer("layer2_0_non_local").trainable


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda: resnet(18, deform_stages=("C5",)), "basic blocks cannot have"),
        (lambda: resnet(34, groups=32), "groups are of bottlenecks, received groups=32"),
        (lambda: network(deform_stages=(("C5", 2),)), "a stage of 1 bottleneck blocks"),
        (lambda: network(outputs=("C6",)), r"outputs must be of.*received \('C6',\)"),
        (lambda: network(outputs=("C3",), non_local=(("C4", -1),)), r"stages \['C4'\] are not built"),
        (lambda: network(dilated=True, outputs=("C5",)), r"received \('C5',\)"),
        (lambda: senet154(norm="bn"), "norm must be one of"),
        (lambda: se_resnet(18), "depth must be one of.*received 18"),
    ],
)
def test_what_makes_no_sense_is_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()
