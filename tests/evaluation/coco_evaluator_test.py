"""The evaluator's stream of predictions, checked by scenes whose AP is known and by pycocotools itself."""

import contextlib
import copy
import io
import json

import numpy as np
import pytest
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from panet_tf.evaluation.coco_evaluator import CocoEvaluator
from panet_tf.evaluation.rle import masks_to_rle

CATEGORIES = [{"id": 40, "name": "cat"}, {"id": 7, "name": "dog"}, {"id": 90, "name": "owl"}]


def scene(seed=0, images=4, objects=6, size=(120, 160)):
    """Ground truth of boxes with full masks in gapped categories, the third without any object."""
    rng = np.random.default_rng(seed)
    truth = {"images": [], "annotations": [], "categories": CATEGORIES}
    for image in range(images):
        truth["images"].append({"id": 100 + image, "height": size[0], "width": size[1]})
        for _ in range(objects):
            y, x = rng.integers(0, size[0] - 40), rng.integers(0, size[1] - 40)
            h, w = rng.integers(8, 40, 2)
            code = masks_to_rle(np.ones((1, 28, 28)), [[y, x, y + h, x + w]], size)[0]
            truth["annotations"].append(
                {
                    "id": len(truth["annotations"]),  # from 0 on: COCO's API takes 0 for "no match"
                    "image_id": 100 + image,
                    "category_id": (40, 7)[rng.integers(2)],
                    "bbox": [int(x), int(y), int(w), int(h)],
                    "segmentation": code,
                    "iscrowd": 0,
                    "area": int(h * w),
                }
            )
    return truth


def predictions(truth, slots=8, noise=0.0, seed=1):
    """The ground truth as a batch of predictions, its boxes moved by `noise` pixels."""
    rng = np.random.default_rng(seed)
    ids = [image["id"] for image in truth["images"]]
    classes_of = {category["id"]: k + 1 for k, category in enumerate(truth["categories"])}
    batch = {
        "image_ids": np.array(ids),
        "boxes": np.zeros((len(ids), slots, 4), "float32"),
        "scores": np.zeros((len(ids), slots), "float32"),
        "classes": np.zeros((len(ids), slots), "int32"),
        "masks": np.zeros((len(ids), slots, 28, 28), "float32"),
        "original_sizes": np.array([[i["height"], i["width"]] for i in truth["images"]], "float32"),
    }
    for b, image_id in enumerate(ids):
        for d, a in enumerate([a for a in truth["annotations"] if a["image_id"] == image_id]):
            x, y, w, h = a["bbox"]
            batch["boxes"][b, d] = np.array([y, x, y + h, x + w]) + rng.uniform(-noise, noise, 4)
            batch["scores"][b, d] = rng.uniform(0.5, 1)
            batch["classes"][b, d] = classes_of[a["category_id"]]
            batch["masks"][b, d] = 1
    return batch


def rows(batch, selection):
    return {key: value[selection] for key, value in batch.items()}


def test_perfect_predictions_have_ap_1_and_missing_ground_truth_minus_1():
    truth = scene()
    evaluator = CocoEvaluator(truth)
    evaluator.update(predictions(truth))
    result = evaluator.result(per_category=True)
    for metric in ("bbox", "segm"):
        assert result[f"{metric}/AP"] == result[f"{metric}/AP/cat"] == result[f"{metric}/AP/dog"] == 1.0
        assert result[f"{metric}/AP/owl"] == result[f"{metric}/APl"] == -1.0
        assert result[f"{metric}/AR100"] == 1.0
    assert all(isinstance(value, float) for value in result.values())


def test_objects_without_a_mask_count_for_boxes_alone():
    truth = scene()
    for annotation in truth["annotations"][::3]:
        annotation.pop("segmentation")
    with_masks = {**truth, "annotations": [a for a in truth["annotations"] if "segmentation" in a]}
    found = {}
    for name, known, metrics in (
        ("both", truth, ("bbox", "segm")),
        ("boxes", truth, "bbox"),
        ("masks", truth, "segm"),
        ("whole", with_masks, "segm"),
    ):
        evaluator = CocoEvaluator(known, metrics=metrics)
        evaluator.update(predictions(truth, noise=4))
        found[name] = evaluator.result()
    assert found["both"] == found["boxes"] | found["masks"] and found["masks"] == found["whole"]
    assert found["boxes"]["bbox/AR100"] > 0.3 < found["masks"]["segm/AR100"]


def test_numbers_equal_pycocotools_on_the_same_detections():
    truth = scene(objects=7)
    evaluator = CocoEvaluator(truth)
    batch = predictions(truth, noise=4)
    for selection in (slice(0, 3), slice(3, 4)):
        evaluator.update(rows(batch, selection))
    result = evaluator.result()
    renumbered = copy.deepcopy(truth)
    for annotation in renumbered["annotations"]:
        annotation["id"] += 1
    for metric in ("bbox", "segm"):
        results = json.loads(json.dumps(evaluator.detections()))  # detections are plain JSON
        if metric == "segm":
            results = [{key: r[key] for key in r if key != "bbox"} for r in results]
        with contextlib.redirect_stdout(io.StringIO()):
            coco = COCO()
            coco.dataset = renumbered
            coco.createIndex()
            reference = COCOeval(coco, coco.loadRes(results), metric)
            reference.evaluate()
            reference.accumulate()
            reference.summarize()
        assert 0.1 < result[f"{metric}/AP"] < 0.9
        ours = [value for name, value in result.items() if name.startswith(metric)]
        np.testing.assert_allclose(ours, reference.stats, atol=1e-12)  # float64


@pytest.mark.parametrize("backend", ["pycocotools", "hotcoco", "faster_coco_eval"])
def test_nothing_found_gives_zeros(backend):
    truth = scene()
    evaluator = CocoEvaluator(truth, backend=backend)
    assert evaluator.result()["segm/AP"] == 0.0  # before any update
    batch = predictions(truth)
    batch["classes"][:] = 0
    evaluator.update(batch)
    result = evaluator.result(per_category=True)
    assert result["bbox/AP"] == result["segm/AP50"] == result["segm/AP/cat"] == 0.0
    assert result["segm/AP/owl"] == -1.0
    assert evaluator.detections() == []
    assert set(CocoEvaluator({**truth, "annotations": []}, backend=backend).result().values()) == {-1.0}


def test_images_not_seen_are_missed_unless_asked_otherwise():
    truth = scene()
    evaluator = CocoEvaluator(truth, metrics="bbox")
    evaluator.update(rows(predictions(truth), slice(0, 2)))
    assert evaluator.result()["bbox/AR100"] == pytest.approx(0.5, abs=0.2)
    assert evaluator.result()["bbox/AP"] < 1
    assert evaluator.result(seen_only=True)["bbox/AP"] == 1.0
    evaluator.reset()
    assert evaluator.result()["bbox/AP"] == 0.0
    assert evaluator.result(seen_only=True)["bbox/AP"] == -1.0


def test_padding_and_detections_that_are_not_finite_are_left_out():
    truth = scene()
    batch = predictions(truth)
    batch["image_ids"][3] = -1
    batch["boxes"][0, 0, 0] = np.nan
    batch["scores"][0, 1] = np.inf
    evaluator = CocoEvaluator(truth)
    evaluator.update(batch)
    assert len(evaluator.detections()) == 3 * 6 - 2


def test_max_detections_reach_beyond_100():
    truth = scene(images=1, objects=0, size=(300, 320))
    for i in range(150):
        y, x = 20 * (i // 15), 20 * (i % 15)
        code = masks_to_rle(np.ones((1, 28, 28)), [[y, x, y + 12, x + 12]], (300, 320))[0]
        truth["annotations"].append(
            {"id": i, "image_id": 100, "category_id": 7, "bbox": [x, y, 12, 12], "segmentation": code}
        )
    batch = predictions(truth, slots=160)
    results = {}
    for count in (5, 100, 300):
        evaluator = CocoEvaluator(truth, max_detections=count)
        evaluator.update(batch)
        results[count] = evaluator.result()
    assert results[300]["segm/AP"] == results[300]["bbox/AP"] == results[300]["segm/AR300"] == 1.0
    assert results[100]["segm/AR100"] == pytest.approx(100 / 150)
    assert results[100]["segm/AP"] == pytest.approx(67 / 101)
    assert results[5]["bbox/AR5"] == pytest.approx(5 / 150) and "bbox/AR10" not in results[5]


def test_classes_follow_the_given_categories():
    truth = scene()
    batch = predictions(truth)
    # A model whose list is longer, unnamed in places, and in another order.
    categories = ({"id": None}, {"id": 7}, {"id": 3000}, {"id": 40})
    batch["classes"] = np.array([0, 4, 2])[batch["classes"]]
    batch["classes"][:, 6] = 3  # a category that the ground truth lacks counts for nothing
    batch["classes"][:, 7] = 1
    evaluator = CocoEvaluator(truth, categories=categories)
    evaluator.update(batch)
    assert evaluator.result()["bbox/AP"] == 1.0
    batch["classes"][0, 0] = 5
    evaluator.reset()
    with pytest.raises(ValueError, match=r"1\.\.4 .*received 5"):
        evaluator.update(batch)


def test_errors_name_the_rule_and_what_came():
    truth = scene()
    batch = predictions(truth)
    evaluator = CocoEvaluator(truth)
    with pytest.raises(ValueError, match="image id 999 is not in the ground truth"):
        evaluator.update({**batch, "image_ids": np.array([999, 101, 102, 103])})
    evaluator = CocoEvaluator(truth)
    evaluator.update(batch)
    with pytest.raises(ValueError, match=r"image id 100 has come before. Call reset\(\)"):
        evaluator.update(batch)
    with pytest.raises(ValueError, match="missing .'masks'."):
        evaluator.update({key: batch[key] for key in batch if key != "masks"})
    with pytest.raises(ValueError, match="received 'box'. Did you mean \"bbox\""):
        CocoEvaluator(truth, metrics=("box",))
    with pytest.raises(ValueError, match="max_detections must be at least 1"):
        CocoEvaluator(truth, max_detections=0)
    with pytest.raises(ValueError, match="no original_sizes came"):
        nameless = {**truth, "images": [{"id": image["id"]} for image in truth["images"]]}
        nameless["annotations"] = truth["annotations"]
        CocoEvaluator(nameless).update({key: batch[key] for key in batch if key != "original_sizes"})


def test_boxes_alone_need_no_masks():
    truth = scene()
    for annotation in truth["annotations"]:
        del annotation["segmentation"]
    batch = predictions(truth)
    del batch["masks"]
    evaluator = CocoEvaluator(truth, metrics=("bbox",))
    evaluator.update(batch)
    assert evaluator.result()["bbox/AP"] == 1.0
    assert "segmentation" not in evaluator.detections()[0]
