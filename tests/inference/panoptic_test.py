"""Panoptic models through the predictor: maps in original pixels, the table with names, pictures, and files."""

import json

import numpy as np
import pytest
from PIL import Image

from panet_tf.data.preprocessing import Preprocessing
from panet_tf.evaluation.panoptic_evaluator import PanopticEvaluator
from panet_tf.evaluation.panoptic_folder import PanopticFolder
from panet_tf.evaluation.panoptic_png import write_panoptic_png
from panet_tf.inference.panoptic import panoptic_overlay
from panet_tf.inference.prediction_folder import PredictionFolder
from panet_tf.inference.predictor import Predictor
from tests.inference.fake_model import FakePanopticModel

CATEGORIES = ({"id": 7, "name": "dark"}, {"id": 90, "name": "bright"})
# Shown at half and at twice their size, on canvases with padding.
PREPROCESSING = Preprocessing(canvases=((64, 96), (96, 64)), short_side=64, long_side=96, mean=(0, 0, 0), std=(1, 1, 1))
SIZES = {"wide.png": (128, 160), "tall.png": (40, 32)}


def scene(size):
    """An image, and its map: dark 1, bright 3, grey 4."""
    height, width = size
    labels = np.full(size, 4, "int32")
    labels[height // 8 : height // 2, width // 4 : width // 2] = 3
    labels[height // 2 : height - 8, width // 2 : width - 8] = 1
    grey = np.array([0, 10, 0, 250, 120], "uint8")[labels]
    return np.repeat(grey[..., None], 3, axis=-1), labels


@pytest.fixture(scope="module")
def predictor():
    return Predictor(FakePanopticModel(CATEGORIES, PREPROCESSING), batch_size=2, masks="rle")


@pytest.fixture
def files(tmp_path):
    for name, size in SIZES.items():
        Image.fromarray(scene(size)[0]).save(tmp_path / name)
    return tmp_path


@pytest.mark.parametrize("size", SIZES.values())
def test_maps_in_original_pixels(predictor, size):
    image, labels = scene(size)
    result = predictor(image)[0]
    assert result["panoptic"].dtype == np.int32 and result["panoptic"].shape == size
    # Bilinear resizing blurs the borders by a pixel of either grid.
    inner = np.ones(size, bool)
    for axis, shift in ((0, 2), (0, -2), (1, 2), (1, -2)):
        inner &= labels == np.roll(labels, shift, axis)
    np.testing.assert_array_equal(result["panoptic"][inner], labels[inner])
    dark, bright, grey = sorted(result["segments"], key=lambda segment: segment["id"])
    assert (dark["category_id"], dark["name"], dark["isthing"], dark["iscrowd"]) == (7, "dark", 1, 0)
    assert (bright["category_id"], bright["score"]) == (90, pytest.approx(0.6))
    assert (grey["category_id"], grey["name"], grey["isthing"]) == (200, "grey", 0)
    for segment in (dark, bright, grey):
        mask = result["panoptic"] == segment["id"]
        rows, columns = np.nonzero(mask)
        x, y, width, height = segment["bbox"]
        assert segment["area"] == mask.sum()
        assert (x, y, x + width, y + height) == (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)


def test_the_evaluator_samples_the_same_pixels(predictor):
    """Against the predictor's own map as the truth, the network's output has a panoptic quality of 1."""
    image, _ = scene(SIZES["tall.png"])
    result = predictor(image)[0]
    inputs = {k: np.asarray(v)[None] for k, v in PREPROCESSING(image, canvas=(96, 64)).items()}
    outputs = {k: np.asarray(v) for k, v in predictor.model({**inputs, "image_ids": np.array([5])}).items()}
    evaluator = PanopticEvaluator(
        {5: (result["panoptic"], result["segments"])}, categories=predictor.panoptic_categories
    )
    evaluator.update({**outputs, **{key: inputs[key] for key in ("scales", "offsets", "original_sizes")}})
    assert evaluator.result()["pq"] == 1.0


def test_the_picture_and_the_true_one_beside_it(predictor, files):
    result = predictor(files / "tall.png")[0]
    picture = panoptic_overlay(result, predictor.panoptic_categories)
    assert picture.shape[0] == 40 * 16 and picture.shape[1] > 32 * 16
    truth = scene(SIZES["tall.png"])[1], [{"id": 4, "category_id": 200}]
    both = panoptic_overlay(result, predictor.panoptic_categories, truth=truth, scale=1)
    assert both.shape[1] > 2 * 32


def test_a_folder_of_predictions(predictor, files):
    folder = PredictionFolder(files / "out", predictor, root=files)
    for result in predictor.stream([files / name for name in SIZES]):
        folder.add(result)
    folder.write()
    written = PanopticFolder(files / "out" / "panoptic.json")
    assert written.categories == predictor.panoptic_categories and written.image_ids == [1, 2]
    assert [written.file(i).name for i in (1, 2)] == [*SIZES]
    labels, segments = written.ground_truth(2)
    assert labels.shape == SIZES["tall.png"] and {s["category_id"] for s in segments} == {7, 90, 200}
    assert len(json.loads((files / "out" / "results.json").read_text())) == 4
    assert sorted(path.name for path in (files / "out" / "overlays").iterdir()) == sorted(SIZES)


def test_ids_and_maps_of_panoptic_annotations(predictor, files):
    content = {"images": [], "annotations": [], "categories": list(predictor.panoptic_categories)}
    for number, (name, size) in enumerate(SIZES.items(), start=31):
        content["images"].append({"id": number, "file_name": name})
        segments = [{"id": i, "category_id": category} for i, category in ((1, 7), (3, 90), (4, 200))]
        content["annotations"].append({"image_id": number, "file_name": f"{number}.png", "segments_info": segments})
        write_panoptic_png(files / "truth" / f"{number}.png", scene(size)[1])
    (files / "truth.json").write_text(json.dumps(content))
    folder = PredictionFolder(files / "out", predictor, root=files, annotations=files / "truth.json")
    for result in predictor.stream([files / name for name in SIZES]):
        folder.add(result)
    folder.write()
    assert PanopticFolder(files / "out" / "panoptic.json").image_ids == [31, 32]
    pictures = {name: np.asarray(Image.open(files / "out" / "overlays" / name)) for name in SIZES}
    assert pictures["tall.png"].shape[1] > 2 * 32 * 16
