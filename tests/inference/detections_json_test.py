"""COCO JSON out of predictions, read by pycocotools and by our own evaluator."""

import json

import numpy as np
import pytest
from pycocotools.coco import COCO

from panet_tf.evaluation.rle import masks_to_rle
from panet_tf.inference.detections_json import DetectionsJson

CATEGORIES = ({"id": 7, "name": "dog"}, {"id": 40, "name": "cat"})
BOXES = np.array([[2, 3, 8, 11], [0, 0, 4, 4]], "float32")


def result(file_name, masks="rle", count=2):
    codes = masks_to_rle(np.ones((count, 28, 28)), BOXES[:count], (20, 30))
    arrays = np.zeros((count, 20, 30), bool)
    for array, (y0, x0, y1, x1) in zip(arrays, BOXES.astype(int)):
        array[y0:y1, x0:x1] = True
    return {
        "index": 0,
        "file_name": file_name,
        "size": (20, 30),
        "boxes": BOXES[:count],
        "scores": np.array([0.9, 0.5], "float32")[:count],
        "category_ids": np.array([40, 7])[:count],
        **({"masks": codes if masks == "rle" else arrays} if masks else {}),
    }


@pytest.mark.parametrize("masks", ["rle", "bool", None])
def test_the_data_set_is_one_that_pycocotools_reads(tmp_path, masks):
    coco = DetectionsJson(CATEGORIES)
    coco.add(result("a.png", masks))
    coco.add(result("b.png", masks, count=0))
    coco.add(result(None, masks, count=1))
    coco.write(tmp_path / "predictions.json")
    read = COCO(tmp_path / "predictions.json")
    assert [image["file_name"] for image in read.loadImgs([1, 2, 3])] == ["a.png", "b.png", ""]
    annotations = read.loadAnns(read.getAnnIds([1]))
    assert [a["bbox"] for a in annotations] == [[3, 2, 8, 6], [0, 0, 4, 4]]
    assert [a["category_id"] for a in annotations] == [40, 7]
    assert [a["area"] for a in annotations] == [48, 16]
    assert annotations[0]["score"] == pytest.approx(0.9)
    if masks:
        assert read.annToMask(annotations[0]).sum() == 48
    assert read.getAnnIds([2]) == []


def test_results_have_the_ids_of_the_data_set(tmp_path):
    coco = DetectionsJson(CATEGORIES, image_ids={"a.png": 501, "b.png": 77})
    coco.add(result("some/folder/b.png"))
    coco.add(result("a.png"))
    coco.write(tmp_path / "results.json", results_only=True)
    results = json.loads((tmp_path / "results.json").read_text())
    assert [r["image_id"] for r in results] == [77, 77, 501, 501]
    assert set(results[0]) == {"image_id", "category_id", "bbox", "score", "segmentation"}
    with pytest.raises(ValueError, match="received 'c.png'"):
        coco.add(result("c.png"))


def test_an_image_comes_once():
    coco = DetectionsJson(CATEGORIES, image_ids={"1.png": 7, "b/2.png": 8})
    assert coco.add(result("a/1.png")) == 7 and coco.add(result("a/b/2.png")) == 8
    assert coco.holds("1.png") and not coco.holds("c/2.png")
    with pytest.raises(ValueError, match="received b/1.png and a/1.png for id 7"):
        coco.add(result("b/1.png"))
    with pytest.raises(ValueError, match="received 'c/2.png'"):
        coco.add(result("c/2.png"))
    assert len(coco.dataset()["images"]) == 2


def test_nothing_found_is_an_empty_list(tmp_path):
    DetectionsJson(CATEGORIES).write(tmp_path / "results.json", results_only=True)
    assert json.loads((tmp_path / "results.json").read_text()) == []
    assert [file.name for file in tmp_path.iterdir()] == ["results.json"]
