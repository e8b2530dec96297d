"""scripts/predict.py from the command line to its files, with a model that needs no training."""

import functools
import json
import os
import pathlib
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from panet_tf.data.preprocessing import Preprocessing
from panet_tf.evaluation.coco_backends import coco_tables, summarize
from panet_tf.evaluation.coco_ground_truth import coco_ground_truth
from panet_tf.inference.prediction_folder import PredictionFolder
from tests.inference.fake_model import FakeModel

SCRIPT = pathlib.Path(__file__).parents[2] / "scripts" / "predict.py"
CATEGORIES = ({"id": 7, "name": "dark"}, {"id": 90, "name": "bright"})


@pytest.fixture
def run(run_script):
    return functools.partial(run_script, "predict")


@pytest.fixture
def folder(tmp_path):
    """A run's folder, and images of different sizes, one of them broken."""
    canvases = ((64, 96), (96, 64))
    preprocessing = Preprocessing(canvases=canvases, short_side=64, long_side=96, mean=(0, 0, 0), std=(1, 1, 1))
    (tmp_path / "run").mkdir()
    FakeModel(CATEGORIES, preprocessing).save(tmp_path / "run" / "model.keras")
    (tmp_path / "images" / "more").mkdir(parents=True)
    for name, size in (("a.png", (64, 96)), ("more/a.png", (64, 80)), ("more/b.png", (90, 60))):
        image = np.full((*size, 3), 120, "uint8")
        image[8:24, 16:56], image[40:56, 32:48] = 250, 10
        Image.fromarray(image).save(tmp_path / "images" / name)
    (tmp_path / "images" / "bad.png").write_text("no image")
    return tmp_path


def test_folder_in_json_and_pictures_out(run, folder, capsys):
    run("--model", folder / "run", "--output", folder / "out", "--batch_size", 2, folder / "images")
    dataset = json.loads((folder / "out" / "predictions.json").read_text())
    names = [pathlib.Path(image["file_name"]).relative_to(folder).as_posix() for image in dataset["images"]]
    assert sorted(names) == ["images/a.png", "images/more/a.png", "images/more/b.png"]
    assert dataset["categories"] == list(CATEGORIES)
    assert len(dataset["annotations"]) == 6
    assert {a["category_id"] for a in dataset["annotations"]} == {7, 90}
    results = json.loads((folder / "out" / "results.json").read_text())
    assert [r["image_id"] for r in results] == [a["image_id"] for a in dataset["annotations"]]
    overlays = folder / "out" / "overlays"
    pictures = [path.relative_to(overlays).as_posix() for path in sorted(overlays.rglob("*.png"))]
    assert pictures == ["a.png", "more/a.png", "more/b.png"]
    assert np.asarray(Image.open(overlays / "a.png")).shape == (512, 768, 3)
    printed = capsys.readouterr().out
    assert "6 instances in 3 images" in printed
    assert "bad.png: file is not an image" in printed


def test_results_with_the_ids_of_annotations_evaluate(run, folder):
    images = [
        {"id": 31, "file_name": "a.png", "height": 64, "width": 80},
        {"id": 45, "file_name": "b.png", "height": 90, "width": 60},
    ]
    square = {"category_id": 90, "bbox": [16, 8, 40, 16], "segmentation": [[16, 8, 56, 8, 56, 24, 16, 24]]}
    annotations = [{"id": image["id"], "image_id": image["id"], **square} for image in images]
    truth = {"images": images, "annotations": annotations, "categories": list(CATEGORIES)}
    (folder / "truth.json").write_text(json.dumps(truth))
    run(
        *(
            "--model",
            folder / "run" / "model.keras",
            "--output",
            folder / "out",
            "--annotations",
            folder / "truth.json",
        ),
        *("--gin_bindings", "Predictor.score_threshold = 0.5", folder / "images" / "more"),
    )
    results = json.loads((folder / "out" / "results.json").read_text())
    assert {r["image_id"] for r in results} == {31, 45}
    side_by_side = np.asarray(Image.open(folder / "out" / "overlays" / "a.png"))
    assert side_by_side.shape[1] == 2 * 80 * 8 + 8
    numbers = summarize(*coco_tables(coco_ground_truth(truth)[0], results, metric="segm"))
    assert numbers["AP50"] == 1.0


def photograph(path, stored, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    image = np.full((*stored, 3), 120, "uint8")
    image[8:24, 16:56], image[40:56, 32:48] = 250, 10
    Image.fromarray(image).save(path, exif=exif)


def test_images_are_those_of_the_annotations_as_they_are_stored_there(run, folder, caplog, capsys):
    """Names with folders, files that the annotations lack, and photographs that their JSON has unturned."""
    images = folder / "images"
    photograph(images / "stored.png", (64, 80), 6)
    photograph(images / "turned.png", (64, 80), 6)
    photograph(images / "other.png", (64, 80), 6)
    listed = {"a.png": (64, 96), "more/a.png": (64, 80), "stored.png": (64, 80), "turned.png": (80, 64)}
    listed |= {"other.png": (50, 50)}
    entries = [
        {"id": 10 + i, "file_name": name, "height": height, "width": width}
        for i, (name, (height, width)) in enumerate(listed.items())
    ]
    truth = {"images": entries, "annotations": [], "categories": list(CATEGORIES)}
    (folder / "truth.json").write_text(json.dumps(truth))
    arguments = ("--model", folder / "run", "--output", folder / "out", "--annotations", folder / "truth.json")
    run(*arguments, images)
    written = json.loads((folder / "out" / "predictions.json").read_text())["images"]
    found = {image["id"]: (pathlib.Path(image["file_name"]).relative_to(images).as_posix(), image) for image in written}
    assert {identity: name for identity, (name, _) in found.items()} == {
        10 + i: name for i, name in enumerate(listed) if name != "other.png"
    }
    assert all((image["height"], image["width"]) == listed[name] for name, image in found.values())
    boxes = {
        (r["image_id"], r["category_id"]): r["bbox"] for r in json.loads((folder / "out/results.json").read_text())
    }
    np.testing.assert_allclose(boxes[12, 90], [16, 8, 40, 16], atol=1)
    np.testing.assert_allclose(boxes[13, 90], [40, 16, 16, 40], atol=1)  # a quarter turn, clockwise
    assert "2 of 7 images left out" in caplog.text and "more/b.png" in caplog.text
    printed = capsys.readouterr().out
    assert "other.png: image size" in printed and "8 instances in 4 images" in printed

    # What the annotations cannot tell apart, or have not at all, fails before the first image.
    truth["images"] = [entries[0]]
    (folder / "truth.json").write_text(json.dumps(truth))
    arguments = ("--model", folder / "run", "--output", folder / "new", "--annotations", folder / "truth.json")
    with pytest.raises(ValueError, match="do not tell apart"):
        run(*arguments, images / "a.png", images / "more")
    with pytest.raises(ValueError, match="annotations must hold the images"):
        run(*arguments, images / "more" / "b.png")
    assert not (folder / "new").exists()


def test_what_was_found_before_a_failure_is_written(run, folder, monkeypatch):
    added = PredictionFolder.add

    def fail_at_the_third(self, result):
        if result["index"] == 2:
            raise OSError("no space left")
        added(self, result)

    monkeypatch.setattr(PredictionFolder, "add", fail_at_the_third)
    with pytest.raises(OSError, match="no space left"):
        run("--model", folder / "run", "--output", folder / "out", folder / "images")
    assert len(json.loads((folder / "out" / "results.json").read_text())) == 2  # bad.png is the second


def test_pictures_can_be_left_out(run, folder):
    run("--model", folder / "run", "--output", folder / "out", "--nooverlays", folder / "images" / "a.png")
    assert sorted(path.name for path in (folder / "out").iterdir()) == ["predictions.json", "results.json"]


def test_what_is_typed_wrong_fails_before_the_first_image(run, folder):
    with pytest.raises(ValueError, match="no model at"):
        run("--model", folder / "rum", "--output", folder / "out", folder / "images")
    with pytest.raises(ValueError, match="must exist"):
        run("--model", folder / "run", "--output", folder / "out", folder / "pictures")
    with pytest.raises(ValueError, match="received none"):
        run("--model", folder / "run", "--output", folder / "out")
    with pytest.raises(ValueError, match="score_treshold"):
        run(
            *("--model", folder / "run", "--output", folder / "out", folder / "images"),
            *("--gin_bindings", "Predictor.score_treshold = 0.5"),
        )
    assert not (folder / "out").exists()


def test_help_shows_the_examples():
    environment = {**os.environ, "PYTHONPATH": str(SCRIPT.parents[1])}
    command = [sys.executable, str(SCRIPT), "--help"]
    shown = subprocess.run(command, capture_output=True, text=True, env=environment).stdout
    assert "--model runs/nuclei --output predictions" in shown
    assert "--annotations" in shown
