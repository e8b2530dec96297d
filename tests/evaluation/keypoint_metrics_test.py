"""Keypoint metrics of each backend against pycocotools itself, run as its own page shows it."""

import contextlib
import copy
import io
import json

import numpy as np
import pytest
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from panet_tf.evaluation.coco_backends import BACKENDS
from panet_tf.evaluation.coco_evaluator import CocoEvaluator
from panet_tf.evaluation.keypoint_similarity import COCO_SIGMAS, complete_keypoints, keypoint_sigmas

NAMES = ("AP", "AP50", "AP75", "APm", "APl", "AR", "AR50", "AR75", "ARm", "ARl")


def scene(number=17, images=12, seed=0):
    """Persons of all sizes: some crowds, some that nobody marked, one category without keypoints."""
    rng = np.random.default_rng(seed)
    annotations = []
    for image in range(1, images + 1):
        for _ in range(rng.integers(0, 6)):
            x, y, w, h = *rng.uniform(0, 200, 2), *rng.uniform(8, 180, 2)
            points = np.stack([rng.uniform(x, x + w, number), rng.uniform(y, y + h, number)], -1).round(1)
            seen = rng.choice([0, 1, 2], number, p=(0.3, 0.2, 0.5)) * (rng.random() < 0.85)
            points = np.concatenate([points * (seen > 0)[:, None], seen[:, None]], -1)
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": image,
                    "category_id": 1,
                    "bbox": [x, y, w, h],
                    "area": 0.6 * w * h,
                    "iscrowd": int(rng.random() < 0.1),
                    "keypoints": points.reshape(-1).tolist(),
                    "num_keypoints": int((seen > 0).sum()),
                }
            )
    names = [f"point {i}" for i in range(number)]
    return {
        "images": [{"id": i, "height": 400, "width": 400} for i in range(1, images + 1)],
        "annotations": annotations,
        "categories": [{"id": 1, "name": "person", "keypoints": names}, {"id": 4, "name": "dog"}],
    }


def predictions(truth, number=17, seed=1, slots=8):
    """The persons found again, points some way off, and false ones beside: a batch as `predict` gives it."""
    rng = np.random.default_rng(seed)
    batch = {
        "image_ids": np.array([image["id"] for image in truth["images"]] + [-1]),
        "boxes": rng.uniform(0, 200, (len(truth["images"]) + 1, slots, 4)),
        "scores": rng.random((len(truth["images"]) + 1, slots)),
        "classes": np.ones((len(truth["images"]) + 1, slots), int),
        "keypoints": rng.uniform(0, 200, (len(truth["images"]) + 1, slots, number, 3)),
    }
    batch["boxes"][..., 2:] += batch["boxes"][..., :2]
    taken = np.zeros(len(truth["images"]) + 1, int)
    for annotation in truth["annotations"]:
        i, points = annotation["image_id"] - 1, np.reshape(annotation["keypoints"], (-1, 3))
        noise = rng.normal(0, rng.choice([0.005, 0.05, 0.2]), (number, 2)) * np.sqrt(annotation["area"])
        batch["keypoints"][i, taken[i], :, :2] = points[:, 1::-1] + noise + 0.5
        taken[i] += 1
    batch["classes"][:, 6] = 2
    batch["classes"][:, 7] = 0
    return batch


def reference(truth, results, sigmas=None):
    """COCOeval's ten numbers."""
    with contextlib.redirect_stdout(io.StringIO()):
        coco = COCO()
        coco.dataset = copy.deepcopy(truth)
        coco.createIndex()
        evaluation = COCOeval(coco, coco.loadRes(copy.deepcopy(results)), "keypoints")
        if sigmas is not None:
            evaluation.params.kpt_oks_sigmas = np.array(sigmas)
        evaluation.params.catIds = [1]
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return evaluation.stats


def as_results(batch):
    """COCO results of the filled slots of class 1, written anew: pixel centres are COCO's whole numbers."""
    found = []
    for i, image in enumerate(batch["image_ids"]):
        for score, label, points in zip(*(batch[key][i] for key in ("scores", "classes", "keypoints"))):
            if image > 0 and label == 1:
                flat = [value for y, x, v in points.tolist() for value in (x - 0.5, y - 0.5, v)]
                entry = {"image_id": int(image), "category_id": 1, "score": float(score), "keypoints": flat}
                found.append(entry)
    return found


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize(("number", "sigmas"), [(17, None), (4, (0.1, 0.02, 0.05, 0.2))])
def test_equals_pycocotools_own_run(backend, number, sigmas):
    truth = scene(number)
    batch = predictions(truth, number)
    evaluator = CocoEvaluator(truth, metrics="keypoints", backend=backend, keypoint_sigmas=sigmas)
    evaluator.update(batch)
    numbers = evaluator.result(per_category=True)
    assert tuple(numbers) == (*(f"keypoints/{name}" for name in NAMES), "keypoints/AP/person")
    expected = reference(truth, as_results(batch), sigmas)
    assert 0.05 < expected[0] < 0.95 and len(set(expected.round(6))) > 6  # a scene that tells errors apart
    np.testing.assert_allclose(list(numbers.values())[:10], expected, atol=1e-9)
    assert numbers["keypoints/AP/person"] == numbers["keypoints/AP"]


def test_results_are_what_cocos_server_takes():
    truth = scene()
    evaluator = CocoEvaluator(truth, metrics=("bbox", "keypoints"))
    batch = predictions(truth)
    evaluator.update(batch)
    results = json.loads(json.dumps(evaluator.detections()))
    persons = [result for result in results if result["category_id"] == 1]
    for result, wanted in zip(persons, as_results(batch), strict=True):
        assert set(result) == {"image_id", "category_id", "bbox", "score", "keypoints"}
        np.testing.assert_allclose(result["keypoints"], wanted["keypoints"])
    numbers = evaluator.result()
    assert len(numbers) == 22 and {"bbox/AR100", "keypoints/AR"} < set(numbers)


def test_points_are_read_exactly_where_the_maps_are_there():
    truth = scene(number=2, images=1)
    points = np.float32([[[10.5, 20.5, 1.0], [30.5, 5.5, 1.0]]])
    logits = np.full((1, 1, 56, 56, 2), -9.0, "float32")
    logits[0, 0, 14, 28, 0] = logits[0, 0, 42, 7, 1] = 9.0
    batch = {
        "image_ids": np.array([1]),
        "boxes": np.zeros((1, 1, 4)),
        "scores": np.ones((1, 1)),
        "classes": np.ones((1, 1), int),
        "keypoints": points[None] * 0 - 7,
        "keypoint_logits": logits,
        "keypoint_rois": np.float32([[[0, 0, 112, 112]]]),
        "scales": np.float32([[2, 4]]),
        "offsets": np.float32([[100, 200]]),
    }
    evaluator = CocoEvaluator(truth, metrics="keypoints")
    evaluator.update(batch)
    x1, y1, _, x2, y2, _ = evaluator.detections()[0]["keypoints"]
    np.testing.assert_allclose([y1, y2], np.array([29, 85]) / 2 + 99.5, atol=0.51)  # a network pixel's half
    np.testing.assert_allclose([x1, x2], np.array([57, 15]) / 4 + 199.5, atol=0.26)


def test_nothing_found_and_nothing_there():
    truth = scene()
    evaluator = CocoEvaluator(truth, metrics="keypoints")
    assert evaluator.result()["keypoints/AP"] == 0
    empty = {**truth, "annotations": []}
    assert set(CocoEvaluator(empty, metrics="keypoints").result().values()) == {-1.0}


def test_sigmas():
    np.testing.assert_allclose(COCO_SIGMAS, COCOeval(iouType="keypoints").params.kpt_oks_sigmas)
    assert keypoint_sigmas(17) == COCO_SIGMAS and keypoint_sigmas(2, [0.1, 1]) == (0.1, 1.0)
    assert keypoint_sigmas(3) == (np.mean(COCO_SIGMAS),) * 3
    for wrong in ([0.1], [0.1, 0.0]):
        with pytest.raises(ValueError, match="keypoint_sigmas must be 2 numbers above 0"):
            keypoint_sigmas(2, wrong)


def test_annotations_are_completed():
    assert complete_keypoints({}, 2) == {"keypoints": [0.0] * 6, "num_keypoints": 0}
    assert complete_keypoints({"keypoints": [1, 2, 2]}, 2) == {"keypoints": [1, 2, 2, 0, 0, 0], "num_keypoints": 1}
    assert complete_keypoints({"num_keypoints": 5}, 2)["num_keypoints"] == 0
    truth = scene(images=3)
    truth["annotations"][0]["keypoints"] = [1, 2]
    assert CocoEvaluator(truth, metrics="keypoints").num_skipped_annotations == 1


def test_what_does_not_fit_is_refused():
    truth = scene()
    with pytest.raises(ValueError, match="keypoints need categories that name them"):
        CocoEvaluator({**truth, "categories": [{"id": 1, "name": "person"}]}, metrics="keypoints")
    evaluator = CocoEvaluator(truth, metrics="keypoints")
    with pytest.raises(ValueError, match="missing .'keypoints'"):
        evaluator.update({key: value for key, value in predictions(truth).items() if key != "keypoints"})
    with pytest.raises(ValueError, match=r"keypoints must be \(17, 3\) a detection"):
        evaluator.update(predictions(scene(4), 4))
    with pytest.raises(ValueError, match="max_keypoint_detections must be at least 1"):
        CocoEvaluator(truth, metrics="keypoints", max_keypoint_detections=0)
