"""scripts/convert_weights.py from a small checkpoint of each program to a .keras file."""

import functools
import json
import pickle

import keras
import pytest

from panet_tf.inference.load_model import load_model
from tests.detectron2_shapes import detectron2_shapes
from tests.mmdetection_shapes import mmdetection_shapes
from tests.models.from_checkpoint_test import SMALL, arrays_of
from tests.panet_release_shapes import panet_release_shapes
from tests.torchvision_shapes import torchvision_shapes
from tests.weights.torch_writer import Tensor, save, save_legacy

slow = pytest.mark.slow


@pytest.fixture
def run(run_script):
    return functools.partial(run_script, "convert_weights")


def _write(source, path):
    """A small checkpoint in the kind of file that the program writes; how many arrays it holds."""
    if source == "keras_applications":
        model = keras.applications.MobileNetV2(weights=None, alpha=0.35, input_shape=(64, 64, 3), include_top=False)
        model.save(path)
        return len(model.weights)
    shapes = {
        "torchvision": lambda: torchvision_shapes(91, **SMALL),
        "detectron2": lambda: detectron2_shapes(masks=True, filters=8, units=6),
        "mmdetection": lambda: mmdetection_shapes(**SMALL),
        "panet": lambda: panet_release_shapes(filters=8, units=6),
    }[source]()
    arrays = arrays_of(shapes)
    tensors = {name: Tensor(array) for name, array in arrays.items()}
    if source == "torchvision":
        save(tensors, path)
    elif source == "mmdetection":
        save_legacy({"meta": {"epoch": 12, "CLASSES": ("person",)}, "state_dict": tensors}, path)
    elif source == "panet":
        save_legacy({"step": 1, "model": tensors, "optimizer": {"state": {}, "param_groups": []}}, path)
    else:
        path.write_bytes(pickle.dumps({"model": arrays, "__author__": "someone", "matching_heuristics": True}))
    return sum("num_batches_tracked" not in name for name in arrays)


@slow
@pytest.mark.parametrize(
    "source, ending",
    [
        ("torchvision", "pth"),
        ("detectron2", "pkl"),
        ("mmdetection", "pth"),
        ("panet", "pth"),
        ("keras_applications", "h5"),
    ],
)
def test_a_checkpoint_becomes_a_keras_file(source, ending, run, tmp_path, capsys):
    count = _write(source, tmp_path / f"theirs.{ending}")
    run("--source", source, tmp_path / f"theirs.{ending}", tmp_path / "ours.keras")
    printed = capsys.readouterr().out
    assert f"Loaded {count} arrays from theirs.{ending}" in printed and f"Saved {tmp_path / 'ours.keras'}" in printed
    assert "Skipped" not in printed and "Left" not in printed
    model = load_model(tmp_path / "ours.keras")
    if source == "detectron2":
        assert model.backbone.get_layer("bn1").epsilon == 1e-5 and model.box_pooling.samples == 0


@slow
def test_architecture_and_categories_may_be_given(run, tmp_path, capsys):
    _write("detectron2", tmp_path / "theirs.pkl")
    categories = [{"id": 7, "name": "cell", "supercategory": "none"}]
    (tmp_path / "train.json").write_text(json.dumps({"images": [], "annotations": [], "categories": categories}))
    small = ["resnet.depth = 50", "resnet.weights = None", "faster_rcnn.filters = 8"]
    bindings = [part for binding in small for part in ("--gin_bindings", binding)]
    files = ("--gin_file", "models/faster_rcnn_r50_fpn.gin", "--categories", tmp_path / "train.json")
    run(*files, *bindings, tmp_path / "theirs.pkl", tmp_path / "ours.keras")
    printed = capsys.readouterr().out
    assert "it predicts 80 classes, the model has 1" in printed
    model = load_model(tmp_path / "ours.keras")
    assert model.mask_head is None and model.categories[0]["name"] == "cell" and model.backbone.name == "resnet50"


def test_files_that_make_no_sense_are_refused_before_anything_is_read(run, tmp_path):
    with pytest.raises(Exception, match="two files are needed"):
        run(tmp_path / "theirs.pkl")
    with pytest.raises(Exception, match="must end in .keras"):
        run(tmp_path / "theirs.pkl", tmp_path / "ours.h5")
