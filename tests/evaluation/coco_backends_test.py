"""The COCO metrics of each backend against the numbers that the COCO API publishes, and against pycocotools."""

import contextlib
import copy
import gzip
import io
import json
import pathlib
import sys

import numpy as np
import pytest
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from panet_tf.evaluation import coco_backends
from panet_tf.evaluation.coco_ground_truth import coco_ground_truth

DATA = pathlib.Path(__file__).parent / "data"
NAMES = ("AP", "AP50", "AP75", "APs", "APm", "APl", "AR1", "AR10", "AR100", "ARs", "ARm", "ARl")
# val2014_fake_eval_res.txt of the COCO API.
PUBLISHED = {
    "bbox": (0.505, 0.697, 0.573, 0.586, 0.519, 0.501, 0.387, 0.594, 0.595, 0.640, 0.566, 0.564),
    "segm": (0.320, 0.562, 0.299, 0.387, 0.310, 0.327, 0.268, 0.415, 0.417, 0.469, 0.377, 0.381),
}


def load(name):
    with gzip.open(DATA / f"{name}.json.gz") as file:
        return json.load(file)


@pytest.fixture(scope="module")
def truth():
    return coco_ground_truth(load("instances_val2014_100"))[0]


def crowded_scene(objects=150):
    """One image of many objects, each found exactly, and the scores that say in which order."""
    boxes = [[20.0 * (i % 15), 20.0 * (i // 15), 12.0, 12.0] for i in range(objects)]
    annotations = [
        {"id": i + 1, "image_id": 1, "category_id": 7, "bbox": box, "area": 144.0, "iscrowd": 0}
        for i, box in enumerate(boxes)
    ]
    results = [{"image_id": 1, "category_id": 7, "bbox": box, "score": 1 - i / 1000} for i, box in enumerate(boxes)]
    images = [{"id": 1, "height": 300, "width": 300}]
    return {"images": images, "annotations": annotations, "categories": [{"id": 7, "name": "cell"}]}, results


@pytest.mark.parametrize("metric", ["bbox", "segm"])
@pytest.mark.parametrize("backend", coco_backends.BACKENDS)
def test_published_numbers(truth, backend, metric):
    results = load(f"fake{metric}100_results")
    unchanged = copy.deepcopy(results)
    tables = coco_backends.coco_tables(truth, results, metric=metric, backend=backend)
    numbers = coco_backends.summarize(*tables)
    assert tuple(numbers) == NAMES
    np.testing.assert_allclose(list(numbers.values()), PUBLISHED[metric], atol=5e-4)  # printed with three digits
    assert results == unchanged


@pytest.mark.parametrize("metric", ["bbox", "segm"])
@pytest.mark.parametrize("backend", ["hotcoco", "faster_coco_eval"])
def test_tables_equal_those_of_pycocotools(truth, backend, metric):
    truth = {**truth, "categories": truth["categories"][::-1]}  # the order of the file must not matter
    results = load(f"fake{metric}100_results")
    expected = coco_backends.coco_tables(truth, results, metric=metric, max_detections=(1, 5))
    tables = coco_backends.coco_tables(truth, results, metric=metric, max_detections=(1, 5), backend=backend)
    for table, reference in zip(tables, expected):
        np.testing.assert_allclose(table, reference, atol=1e-12)  # float64


@pytest.mark.parametrize("backend", coco_backends.BACKENDS)
def test_more_than_100_objects_count_when_asked_for(backend):
    truth, results = crowded_scene()
    numbers = {}
    for count in (100, 300):
        tables = coco_backends.coco_tables(
            truth, results, metric="bbox", max_detections=(1, 10, count), backend=backend
        )
        numbers[count] = coco_backends.summarize(*tables, (1, 10, count))
        reference = COCOeval(*_indices(truth, results), "bbox")
        reference.params.maxDets = [1, 10, count]
        with contextlib.redirect_stdout(io.StringIO()):
            reference.evaluate()
            reference.accumulate()
        precision = reference.eval["precision"][:, :, :, 0, 2]
        assert numbers[count]["AP"] == pytest.approx(precision[precision > -1].mean(), abs=1e-12)
        assert numbers[count][f"AR{count}"] == pytest.approx(reference.eval["recall"][0, 0, 0, 2], abs=1e-12)
    assert numbers[300]["AP"] == 1.0 and numbers[300]["AR300"] == 1.0
    assert numbers[100]["AR100"] == pytest.approx(100 / 150)
    assert numbers[100]["AP"] == pytest.approx(67 / 101)  # recall levels 0.00 .. 0.66


def _indices(truth, results):
    with contextlib.redirect_stdout(io.StringIO()):
        coco = COCO()
        coco.dataset = copy.deepcopy(truth)
        coco.createIndex()
        return coco, coco.loadRes(copy.deepcopy(results))


@pytest.mark.parametrize("metric", ["bbox", "segm"])
@pytest.mark.parametrize("backend", coco_backends.BACKENDS)
def test_empty_cases(truth, backend, metric):
    numbers = coco_backends.summarize(*coco_backends.coco_tables(truth, [], metric=metric, backend=backend))
    assert set(numbers.values()) == {0.0}
    no_objects = {**truth, "annotations": []}
    results = load(f"fake{metric}100_results")
    for given in ([], results):
        tables = coco_backends.coco_tables(no_objects, given, metric=metric, backend=backend)
        assert set(coco_backends.summarize(*tables).values()) == {-1.0}
    tables = coco_backends.coco_tables({**no_objects, "images": []}, [], metric=metric, backend=backend)
    assert set(coco_backends.summarize(*tables).values()) == {-1.0}


def test_backend_is_checked_before_the_first_image(monkeypatch):
    with pytest.raises(ValueError, match="pycocotools.*received 'hotcocoa'.*mean \"hotcoco\""):
        coco_backends.check_backend("hotcocoa")
    monkeypatch.setitem(sys.modules, "hotcoco", None)  # importing it now fails as if it were not there
    with pytest.raises(ImportError, match=r"panet_tf\[fast_eval\]"):
        coco_backends.check_backend("hotcoco")
