"""The PANet authors' release: each array has one place, and what their modules computed comes out of ours."""

import keras
import numpy as np
import pytest

from panet_tf.backbones.resnet import resnet
from panet_tf.heads.box import BoxHead
from panet_tf.heads.mask import MaskHead
from panet_tf.models.panet import panet
from panet_tf.necks.fpn import FPN
from panet_tf.necks.pafpn import PAFPN
from panet_tf.weights import load
from panet_tf.weights.conventions import set_conventions
from panet_tf.weights.panet_release import panet_release_conventions
from tests.backbones import torch_twins
from tests.heads.golden_weights import roi_features
from tests.panet_release_shapes import panet_release_shapes

CLASSES = 3
CHANNELS = {"C2": 256, "C3": 512, "C4": 1024, "C5": 2048}


def release(backbone, *, classes=CLASSES, filters=8, units=6, heavy_head=True, use_bias=True):
    return panet(
        categories=[{"id": i, "name": f"category {i}"} for i in range(1, classes + 1)],
        backbone=backbone,
        filters=filters,
        norm="group",
        necks=[FPN(filters=filters, norm="group"), PAFPN(filters=filters, norm="group", use_bias=use_bias)],
        box_head=BoxHead(
            num_classes=classes,
            num_convs=4 if heavy_head else 0,
            num_fcs=1 if heavy_head else 2,
            filters=filters,
            units=units,
            norm="group",
        ),
        mask_head=MaskHead(num_classes=classes, filters=filters, norm="group", fully_connected="conv3"),
    )


def arrays_of(heavy_head=True):
    rng = np.random.default_rng(0)
    shapes = panet_release_shapes(CLASSES + 1, filters=8, units=6, heavy_head=heavy_head)
    scale = {name: 0.1 / np.sqrt(np.prod(shape[1:])) for name, shape in shapes.items()}
    return {name: (scale[name] * rng.standard_normal(shape)).astype("f") for name, shape in shapes.items()}


@pytest.fixture(scope="module")
def both():
    model, arrays = release(resnet(50)), arrays_of()
    return model, arrays, load(model, arrays, verbose=False)


@pytest.fixture(scope="module")
def plain_backbone():
    """Levels of a ResNet-50's channels without its weights."""
    images = keras.Input((None, None, 3))
    levels, x = {}, images
    for n, (name, channels) in enumerate(CHANNELS.items()):
        x = keras.layers.AveragePooling2D(2 if n else 4)(x)
        levels[name] = keras.layers.Conv2D(channels, 1, name=f"plain{n}")(x)
    return keras.Model(images, levels)


def test_every_array_and_every_weight_has_its_partner(both):
    model, arrays, report = both
    assert sorted(report.loaded) == sorted(arrays)
    assert not report.skipped and not report.missing
    means = [weight for weight in model.weights if "moving" in weight.path]
    assert len(arrays) == len(model.weights) - len(means)  # its norms are scales and shifts: no means, no variances


def test_the_head_of_two_fully_connected_layers(plain_backbone):
    arrays = {name: array for name, array in arrays_of(heavy_head=False).items() if "conv_body" not in name}
    model = release(plain_backbone, heavy_head=False)
    report = load(model, arrays, verbose=False)
    assert sorted(report.loaded) == sorted(arrays) and not report.skipped
    assert all(path.startswith("plain") for path in report.missing)


def test_scales_and_shifts_are_norms_without_statistics(both):
    model, arrays, _ = both
    image = np.random.default_rng(1).standard_normal((3, 32, 32)).astype("float32")
    root = "Conv_Body.conv_body.res1"
    x = torch_twins.conv(image[::-1], arrays[f"{root}.conv1.weight"], 2, 3)  # blue, green, red
    expected = x * arrays[f"{root}.bn1.weight"][:, None, None] + arrays[f"{root}.bn1.bias"][:, None, None]
    stem = keras.Model(model.backbone.inputs[0], model.backbone.get_layer("bn1").output)
    found = stem(image.transpose(1, 2, 0)[None])[0].numpy().transpose(2, 0, 1)
    np.testing.assert_allclose(found, expected, atol=1e-5 * np.abs(expected).max())


def test_predictors_lose_the_background(both):
    model, arrays, _ = both
    hidden = np.random.default_rng(2).random((5, 6)).astype("float32")
    weight, bias = (arrays[f"Box_Outs.bbox_pred.{leaf}"] for leaf in ("weight", "bias"))
    there = (hidden @ weight.T + bias).reshape(5, CLASSES + 1, 4)[:, 1:]
    here = np.reshape(model.box_head.box_deltas(hidden), (5, CLASSES, 4))
    np.testing.assert_allclose(here[..., [1, 0, 3, 2]], there, atol=1e-5)
    np.testing.assert_array_equal(np.transpose(model.box_head.class_logits.kernel), arrays["Box_Outs.cls_score.weight"])
    kernel = np.asarray(model.mask_head.predictor.kernel)[0, 0].T
    np.testing.assert_array_equal(kernel, arrays["Mask_Outs.classify.weight"][1:, :, 0, 0])


def test_other_class_counts_and_paths_without_biases_are_told(plain_backbone):
    arrays = {name: array for name, array in arrays_of().items() if "conv_body" not in name}
    report = load(release(plain_backbone, classes=2, use_bias=False), arrays, verbose=False)
    reasons = {}
    for name, _, reason in report.skipped:
        reasons.setdefault(reason, []).append(name.rpartition(".")[0])
    assert {key: len(names) for key, names in reasons.items()} == {
        "it predicts 3 classes, the model has 2": 6,
        "the model's bottom-up path has no biases: build PAFPN with use_bias=True": 6,
    }
    predictors = {"Box_Outs.cls_score", "Box_Outs.bbox_pred", "Mask_Outs.classify"}
    assert set(reasons["it predicts 3 classes, the model has 2"]) == predictors


@pytest.mark.golden
def test_the_authors_modules_through_the_importer(golden, seeded, plain_backbone):
    """Neck, heavier box head and mask head from the names of the release, against what its modules gave."""
    recorded = golden("panet")
    seed = int(recorded["seed"]) if "seed" in recorded else 0
    places = {"fpn": "Conv_Body", "box_4conv1fc_gn": "Box_Head", "mask_ff": "Mask_Head", "mask_out": "Mask_Outs"}
    arrays = {}
    for entry in (*recorded["fpn_names"], *recorded["box_4conv1fc_gn_names"], *recorded["mask_names"]):
        name, shape = entry.split("|")
        shape = tuple(int(side) for side in shape[1:-1].split(",") if side)
        _, part, rest = name.split(".", 2)
        arrays[f"{places[part]}.{rest}"] = seeded.seeded(name, shape, seed)
    model = release(plain_backbone, classes=80, filters=256, units=1024)
    report = load(model, arrays, verbose=False)
    assert sorted(report.loaded) == sorted(arrays) and not report.skipped
    assert not any(
        weight.path.startswith(("fpn", "pafpn", "mask_head"))
        for weight in model.weights
        if weight.path in report.missing
    )

    rng = np.random.default_rng(int(recorded["C_seed"]))
    levels = {name: rng.standard_normal(recorded[f"{name}_rng_shape"]).astype("float32") for name in CHANNELS}
    levels = {name: x.transpose(0, 2, 3, 1) for name, x in levels.items()}
    for neck in model.necks:
        levels = neck(levels)
    # Values are about 1; float32 sums of up to 25,088 products through ten layers differ in their order.
    for name, x in levels.items():
        expected = recorded[name]
        found = np.transpose(x, (0, 3, 1, 2))[:, : expected.shape[1]]
        np.testing.assert_allclose(found, expected, atol=3e-5, err_msg=name)
    of_boxes, of_masks = roi_features(recorded)
    np.testing.assert_allclose(model.box_head.hidden(of_boxes), recorded["box_4conv1fc_gn"], atol=2e-5)
    found = np.transpose(model.mask_head(of_masks)[0], (0, 3, 1, 2))  # without the background: its channel 0 is lost
    np.testing.assert_allclose(found[:, 7::8], recorded["mask_logits_81"][:, 1:], atol=2e-5)


def test_without_norms_the_release_has_no_relu_in_the_path(both):
    model, _, _ = both
    set_conventions(model, panet_release_conventions({}, "caffe"))
    assert model.necks[1].activation is None
    set_conventions(model, panet_release_conventions({"Conv_Body.conv_top.1.weight": np.ones(1)}, "caffe"))
    assert model.necks[1].activation == "relu"
