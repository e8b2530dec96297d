"""EfficientNet-Lite0 of keras-cv with ImageNet weights, on photographs.

The weights and photographs are not part of the repository: the folder that PANET_TF_DATA names must hold
weights/efficientnet_lite0/efficientnet-lite0-57934424.npz and coco/ (COCO 2017 JSON and images).
"""

import json
import os
import pathlib
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

from panet_tf.backbones.efficientnet_lite import efficientnet_lite0, keras_cv_name
from panet_tf.weights.loading import load
from tests.layer_checks import assert_close

DATA = pathlib.Path(os.environ.get("PANET_TF_DATA", "data"))
WEIGHTS = DATA / "weights/efficientnet_lite0/efficientnet-lite0-57934424.npz"
needs_weights = pytest.mark.skipif(not WEIGHTS.exists(), reason="ImageNet weights are absent: set PANET_TF_DATA")
# COCO names and the ImageNet classes that are the same thing.
SAME = {
    "zebra": {340},
    "elephant": {101, 385, 386},
    "pizza": {963},
    "toilet": {861},
    "bear": {294, 295, 296, 297},
    "broccoli": {937},
    "banana": {954},
    "cat": {281, 282, 283, 284, 285},
    "laptop": {620, 681},
    "bus": {654, 779, 874},
}


def _photographs():
    """Square crops of single large objects, uint8-valued (224, 224, 3), and the ImageNet classes of each."""
    found = []
    for part in ("train", "val"):
        folder = DATA / "coco" / part
        content = json.loads((DATA / f"coco/instances_{part}.json").read_text())
        names = {category["id"]: category["name"] for category in content["categories"]}
        images = {image["id"]: image for image in content["images"]}
        for annotation in content["annotations"]:
            name, image = names[annotation["category_id"]], images[annotation["image_id"]]
            share = annotation["area"] / (image["height"] * image["width"])
            if name in SAME and share > 0.15 and not annotation["iscrowd"]:
                x, y, w, h = annotation["bbox"]
                file = tf.io.read_file(str(folder / image["file_name"]))
                pixels = tf.io.decode_image(file, channels=3)
                top, left = int(max(y - 0.1 * h, 0)), int(max(x - 0.1 * w, 0))
                crop = pixels[top : int(y + 1.1 * h), left : int(x + 1.1 * w)]
                found.append((tf.image.resize(crop, (224, 224), antialias=True).numpy(), SAME[name]))
    return found


def test_levels_and_saving_need_no_weights_and_no_network(tmp_path):
    pytest.importorskip("keras_cv")
    backbone = efficientnet_lite0()
    assert {level: y.shape[-1] for level, y in backbone.output.items()} == {"C2": 24, "C3": 40, "C4": 112, "C5": 1280}
    x = np.random.default_rng(0).standard_normal((1, 64, 96, 3)).astype("float32")
    levels = backbone(x)
    assert [y.shape[1:3] for y in levels.values()] == [(16, 24), (8, 12), (4, 6), (2, 3)]
    backbone.save(tmp_path / "model.keras")
    assert_close(keras.saving.load_model(tmp_path / "model.keras")(x), levels, rtol=1e-6)


def test_a_broken_keras_cv_is_reported_by_the_one_that_needs_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "keras_cv.models", None)
    with pytest.raises(ImportError, match="efficientnet_lite0 needs keras-cv"):
        efficientnet_lite0()


@needs_weights
def test_every_array_is_used_and_every_weight_set():
    pytest.importorskip("keras_cv")
    backbone = efficientnet_lite0()
    report = load(backbone, WEIGHTS, rename=keras_cv_name, verbose=False)
    assert [name for name, _, _ in report.skipped] == ["_fc.weight", "_fc.bias"]
    assert not report.missing


@needs_weights
@pytest.mark.skipif(not (DATA / "coco").exists(), reason="photographs are absent: set PANET_TF_DATA")
def test_photographs_are_recognised():
    """One wrong kernel, padding or norm and the classifier on top would be lost among 1000 classes."""
    pytest.importorskip("keras_cv")
    backbone = efficientnet_lite0(weights=WEIGHTS)
    photographs = _photographs()
    images = (np.stack([image for image, _ in photographs]) - 127.0) / 128.0
    features = backbone.predict(images, batch_size=16, verbose=0)["C5"].mean((1, 2))
    with np.load(WEIGHTS) as file:
        logits = features @ file["_fc.weight"].T + file["_fc.bias"]
    right = [int(row.argmax()) in classes for row, (_, classes) in zip(logits, photographs)]
    assert len(right) > 20 and np.mean(right) > 0.6  # 24 of 32 seen


@needs_weights
@pytest.mark.skipif(not (DATA / "coco").exists(), reason="photographs are absent: set PANET_TF_DATA")
def test_statistics_of_photographs_are_the_recorded_ones():
    pytest.importorskip("keras_cv")
    backbone = efficientnet_lite0(weights=WEIGHTS)
    norms = [layer for layer in backbone.layers if isinstance(layer, keras.layers.BatchNormalization)]
    inputs = keras.Model(backbone.inputs[0], [norm.input for norm in norms])
    images = (np.stack([image for image, _ in _photographs()[:16]]) - 127.0) / 128.0
    errors = []
    for norm, x in zip(norms, inputs.predict(images, verbose=0), strict=True):
        deviation = np.sqrt(np.asarray(norm.moving_variance) + 1e-6)  # some channels are dead
        errors.append(np.median(np.abs(x.mean((0, 1, 2)) - np.asarray(norm.moving_mean)) / deviation))
    assert max(errors) < 0.4  # standard deviations, of the median channel; 16 images are a small sample (0.21 seen)
