"""Ground truth as people write it, and what the evaluators get."""

import copy
import json

import numpy as np
import pytest
from pycocotools import mask as coco_mask

from panet_tf.evaluation.coco_ground_truth import coco_ground_truth

SQUARE = [2, 2, 8, 2, 8, 8, 2, 8]
GOOD = {"id": 0, "image_id": 5, "category_id": 3, "segmentation": [SQUARE]}


def dataset(*annotations):
    images = [{"id": 5, "height": 10, "width": 12}]
    return {"images": images, "annotations": list(annotations), "categories": [{"id": 3, "name": "a"}]}


def test_missing_fields_are_filled_in_and_ids_renumbered():
    source = dataset(GOOD, GOOD)
    unchanged = copy.deepcopy(source)
    truth, skipped = coco_ground_truth(source)
    assert skipped == 0 and source == unchanged
    assert [annotation["id"] for annotation in truth["annotations"]] == [1, 2]
    assert truth["annotations"][0]["iscrowd"] == 0
    assert truth["annotations"][0]["area"] == 36
    assert truth["annotations"][0]["bbox"] == [2, 2, 6, 6]
    truth, _ = coco_ground_truth(dataset({**GOOD, "bbox": [1, 2, 3, 4], "segmentation": None}), with_masks=False)
    assert truth["annotations"][0]["area"] == 12


@pytest.mark.parametrize("with_masks", [True, False])
def test_a_missing_area_is_the_mask_s_whatever_is_asked_for(with_masks):
    triangle = {**GOOD, "bbox": [2, 2, 6, 6], "segmentation": [[2, 2, 8, 2, 8, 8]]}
    given = dataset(triangle, {**triangle, "area": 7}, {**triangle, "bbox": None})
    areas = [annotation["area"] for annotation in coco_ground_truth(given, with_masks=with_masks)[0]["annotations"]]
    assert areas[0] == areas[2] and 12 < areas[0] < 24 and areas[1] == 7
    broken = dataset({**triangle, "segmentation": [[1, 1, 5, 5]]}, {**triangle, "segmentation": {"size": [10, 12]}})
    truth, skipped = coco_ground_truth(broken, with_masks=with_masks, keep_maskless=True)
    assert skipped == 0 and [annotation["area"] for annotation in truth["annotations"]] == [36, 36]


def test_annotations_without_a_mask_stay_where_boxes_are_enough(caplog):
    boxed = {**GOOD, "bbox": [2, 2, 6, 6], "segmentation": None}
    given = dataset(GOOD, boxed, {**boxed, "segmentation": [[1, 1, 5, 5]]}, {**GOOD, "segmentation": None})
    truth, skipped = coco_ground_truth(given, keep_maskless=True)
    assert skipped == 1 and ["segmentation" in annotation for annotation in truth["annotations"]] == [
        True,
        False,
        False,
    ]
    assert "2 annotations without a usable mask count for boxes alone" in caplog.text
    assert coco_ground_truth(given)[1] == 3


def test_all_kinds_of_masks_become_the_same_code():
    image = np.zeros((10, 12), np.uint8, order="F")
    image[2:8, 2:8] = 1
    compressed = coco_mask.encode(image)
    flat = image.reshape(-1, order="F")
    changes = np.flatnonzero(np.diff(flat)) + 1
    plain = {"size": [10, 12], "counts": np.diff([0, *changes, flat.size]).tolist()}
    text = {**compressed, "counts": compressed["counts"].decode()}
    truth, _ = coco_ground_truth(dataset(*({**GOOD, "segmentation": s} for s in (compressed, plain, text, [SQUARE]))))
    assert [annotation["segmentation"] for annotation in truth["annotations"]] == [text] * 4


@pytest.mark.parametrize(
    "change",
    [
        {"image_id": 6},
        {"category_id": 9},
        {"segmentation": [[1, 1, 5, 5]]},
        {"segmentation": []},
        {"segmentation": [[float("nan")] * 8]},
        {"segmentation": {"size": [10, 12]}},
        {"bbox": [1, 2, float("nan"), 4]},
        {"bbox": [1, 2, 3]},
    ],
)
def test_a_broken_annotation_is_left_out_and_counted(change):
    truth, skipped = coco_ground_truth(dataset({**GOOD, **change}, GOOD))
    assert skipped == 1
    assert len(truth["annotations"]) == 1


def test_what_is_not_coco_is_refused(tmp_path):
    with pytest.raises(ValueError, match="lacks .*'categories'"):
        coco_ground_truth({"images": [], "annotations": []})
    path = tmp_path / "list.json"
    path.write_text("[1, 2]")
    with pytest.raises(ValueError, match="list.json lacks"):
        coco_ground_truth(path)
    path.write_text("{")
    with pytest.raises(ValueError, match="must be a COCO JSON file"):
        coco_ground_truth(path)
    path.write_text(json.dumps(dataset(GOOD)))
    assert len(coco_ground_truth(str(path))[0]["annotations"]) == 1
    with pytest.raises(ValueError, match="image ids must be integers, received 'a'"):
        coco_ground_truth({**dataset(), "images": [{"id": "a"}]})
    with pytest.raises(ValueError, match="image ids must be integers, received None"):
        coco_ground_truth({**dataset(), "images": ["a"]})
    with pytest.raises(ValueError, match="category ids must be integers, received {'name': 'a'}"):
        coco_ground_truth({**dataset(), "categories": [{"name": "a"}]})


def test_what_is_no_annotation_is_left_out_and_counted():
    truth, skipped = coco_ground_truth(dataset("a", None, [1], {**GOOD, "image_id": [5]}, GOOD))
    assert (len(truth["annotations"]), skipped) == (1, 4)
