"""Cityscapes' AP in `evaluate`: from files as downloaded, by default and from gin, and of a folder of results."""

import gin
import numpy as np
import pytest
import tensorflow as tf

from panet_tf.data.cityscapes_files import CityscapesFiles
from panet_tf.data.detection_data import DetectionData
from panet_tf.data.panoptic_source import PanopticSource
from panet_tf.evaluation.coco_evaluator import CocoEvaluator
from panet_tf.evaluation.compare_cityscapes_folders import compare_cityscapes_folders
from panet_tf.gin_setup import parse_gin
from panet_tf.training.evaluate import evaluate
from tests.tiny_panoptic import write_cityscapes
from tests.training.tiny import TinyDetector

CAR, PERSON, GROUP, CARAVAN = ((0, 0, 12, 12), (2, 20, 22, 30), (20, 40, 32, 60), (0, 45, 12, 57))


def street():
    """A car, a person, a group of cars and a caravan with a number on road: the last two are no objects."""
    values = np.full((32, 64), 7)
    for value, (top, left, bottom, right) in ((26000, CAR), (24001, PERSON), (26, GROUP), (29000, CARAVAN)):
        values[top:bottom, left:right] = value
    return values


class Oracle(TinyDetector):
    """Sees the car, the person and the group in each image, and takes the caravan for a car."""

    def call(self, inputs, training=False):
        count = tf.shape(inputs["image_ids"])[0]

        def each(values, kind=tf.float32):
            return tf.repeat(tf.constant([values], kind), count, axis=0)

        return {
            "boxes": each([CAR, PERSON, GROUP, CARAVAN]),
            "classes": each([3, 1, 3, 3], tf.int32),
            "scores": each([0.8, 0.7, 1.0, 0.9]),
            "masks": tf.ones((count, 4, 28, 28)),
            "image_ids": inputs["image_ids"],
            "original_sizes": inputs["original_sizes"],
        }


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cityscapes")
    write_cityscapes(folder, "val", [street()] * 3)
    return folder


@pytest.fixture(scope="module")
def data(root):
    files = CityscapesFiles(root=root, split="val")
    source = PanopticSource(files=files, cache=root / "cache", progress=False)
    return DetectionData(source=source, batch_size=2, canvases=((32, 64),), short_side=None, max_instances=4)


@pytest.fixture
def clean_gin():
    yield
    gin.clear_config()


# The car comes after a wrong one: precision 1 / 2 at recall 1, 0 and 1 at recall 0, of widths 1 / 2, 1 / 2 and 0.
CAR_AP = 0.25


def test_it_comes_with_cocos_metrics(data):
    model = Oracle(categories=data.categories)
    metrics = evaluate(model, data, verbose=False)
    assert metrics["cityscapes/AP"] == metrics["cityscapes/AP50"] == pytest.approx((1 + CAR_AP) / 2)
    assert metrics["segm/AP"] > 0 and "bbox/AP50" in metrics
    assert evaluate(model, data, max_images=2, verbose=False)["cityscapes/AP"] == metrics["cityscapes/AP"]
    assert "cityscapes/AP" not in evaluate(model, data, evaluators=(CocoEvaluator,), verbose=False)


def test_from_gin_to_a_folder_and_back(root, data, clean_gin, tmp_path):
    parse_gin(["runs/write_cityscapes.gin"], [f'CITYSCAPES_RESULTS = "{tmp_path / "out"}"', "EVAL_DATA = None"])
    model = Oracle(categories=data.categories)
    metrics = gin.get_configurable("panet_tf.evaluate")(model, data=data, verbose=False)
    assert metrics["cityscapes/AP/car"] == pytest.approx(CAR_AP) and metrics["cityscapes/AP/person"] == 1.0
    assert metrics["cityscapes/AP/train"] == -1

    read = compare_cityscapes_folders(root / "gtFine" / "val", tmp_path / "out", progress=False)
    np.testing.assert_equal(read.result(per_category=True), metrics)


def test_maps_of_labels_alone_have_groups_only(tmp_path):
    labels = np.where(street() >= 1000, street() // 1000, street())
    write_cityscapes(tmp_path, "val", [labels], kind="labelIds")
    files = CityscapesFiles(root=tmp_path, split="val")
    assert files.image_names == {1: "bonn_000000_000019"}
    source = PanopticSource(files=files, cache=tmp_path / "cache", progress=False)
    data = DetectionData(source=source, batch_size=1, canvases=((32, 64),), short_side=None, max_instances=4)
    metrics = evaluate(Oracle(categories=data.categories), data, verbose=False)
    assert metrics["cityscapes/AP"] == metrics["cityscapes/AP50"] == -1
