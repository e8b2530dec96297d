"""Labels found by a model stand beside given ones, in a file that CocoSource reads."""

import json

import numpy as np
import pytest
from PIL import Image

from panet_tf.data.coco_source import CocoSource
from panet_tf.data.preprocessing import Preprocessing
from panet_tf.evaluation.rle import decode
from panet_tf.inference.distillation import distill
from panet_tf.inference.predictor import Predictor
from tests.inference.fake_model import FakeModel

CATEGORIES = ({"id": 7, "name": "dark"}, {"id": 90, "name": "bright"})
SQUARE = {"category_id": 90, "bbox": [16, 8, 40, 16], "segmentation": [[16, 8, 56, 8, 56, 24, 16, 24]], "area": 640}


@pytest.fixture
def folder(tmp_path):
    """Two labelled images, one of a crowd and one object, and two without labels."""
    for name in ("old/a.png", "old/b.png", "new/a.png", "new/more/c.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        image = np.full((64, 96, 3), 120, "uint8")
        image[8:24, 16:56], image[40:56, 32:48] = 250, 10
        Image.fromarray(image).save(tmp_path / name)
    images = [{"id": i, "file_name": name, "height": 64, "width": 96} for i, name in ((5, "a.png"), (31, "b.png"))]
    numbers = ((9, 5, 0), (4, 5, 1), (11, 31, 0))
    annotations = [{"id": i, "image_id": image, "iscrowd": crowd, **SQUARE} for i, image, crowd in numbers]
    truth = {"images": images, "annotations": annotations, "categories": [*CATEGORIES, {"id": 3, "name": "more"}]}
    (tmp_path / "old.json").write_text(json.dumps(truth))
    return tmp_path


@pytest.fixture(scope="module")
def predictor():
    preprocessing = Preprocessing(canvases=((64, 96),), short_side=64, long_side=96, mean=(0, 0, 0), std=(1, 1, 1))
    return Predictor(FakeModel(CATEGORIES, preprocessing), masks="rle")


def test_both_are_one_data_set(folder, predictor):
    old = {"annotations": folder / "old.json", "annotated_images": folder / "old"}
    counts = distill(predictor, folder, folder / "out" / "both.json", **old)
    # One object a labelled image: the better of the two that the model finds, of score 0.9, in either of the others.
    assert counts == {
        "folder": str(folder),
        "score_threshold": pytest.approx(0.9),
        "labelled_images": 2,
        "labelled_instances": 3,
        "found_images": 2,
        "found_instances": 2,
        "images_left_out": 0,
    }
    whole = json.loads((folder / "out" / "both.json").read_text())
    names = [image["file_name"] for image in whole["images"]]
    assert names == ["old/a.png", "old/b.png", "new/a.png", "new/more/c.png"]
    assert [one["id"] for one in whole["annotations"]] == [9, 4, 11, 12, 13]
    found = whole["annotations"][3:]
    assert {one["category_id"] for one in found} == {7} and len({one["image_id"] for one in found} - {5, 31}) == 2
    mask = np.zeros((64, 96), bool)
    mask[40:56, 32:48] = True
    assert all(np.mean(decode(one["segmentation"]) != mask) < 0.01 for one in found)
    source = CocoSource(
        annotations=folder / "out" / "both.json", images=counts["folder"], cache=folder / "cache", progress=False
    )
    assert source.num_examples == 4 and sorted(source.num_objects) == [1, 1, 1, 1]


def test_a_threshold_of_ones_own(folder, predictor):
    counts = distill(predictor, folder / "new", folder / "found.json", score_threshold=0.5)
    assert (counts["found_instances"], counts["labelled_images"], counts["folder"]) == (4, 0, str(folder / "new"))
    counts = distill(predictor, folder / "new", folder / "found.json", score_threshold=0.95)
    assert (counts["found_images"], counts["images_left_out"]) == (0, 2)


def test_what_cannot_be_joined(folder, predictor):
    old = {"annotations": folder / "old.json", "annotated_images": folder / "old"}
    with pytest.raises(ValueError, match="give annotations"):
        distill(predictor, folder / "new", folder / "out.json")
    with pytest.raises(ValueError, match="need annotated_images"):
        distill(predictor, folder / "new", folder / "out.json", annotations=folder / "old.json")
    with pytest.raises(ValueError, match="labelled ones only"):
        distill(predictor, folder / "old", folder / "out.json", **old)
    (folder / "old.json").write_text((folder / "old.json").read_text().replace("dark", "night"))
    with pytest.raises(ValueError, match="'night' as 7 in place of 'dark'"):
        distill(predictor, folder / "new", folder / "out.json", **old)
    assert not (folder / "out.json").exists()
