"""The stream of panoptic predictions: geometry, padding, what is unseen, skipped or broken."""

import json
import logging

import numpy as np
import pytest

from panet_tf.evaluation.panoptic_evaluator import PanopticEvaluator
from panet_tf.evaluation.panoptic_png import write_panoptic_png

CATEGORIES = ({"id": 9, "name": "sky", "isthing": 0}, {"id": 4, "name": "cell", "isthing": 1})
SIZES = {31: (8, 12), 7: (10, 6), 55: (8, 8)}


def truth_of(image_id):
    """Sky above, two cells below, a strip of void, with ids that need every channel."""
    height, width = SIZES[image_id]
    labels = np.full((height, width), 80000 + image_id, "int32")
    labels[height // 2 :, : width // 2], labels[height // 2 :, width // 2 :], labels[-1] = 300, 20, 0
    listed = [{"id": 80000 + image_id, "category_id": 9}, {"id": 300, "category_id": 4}, {"id": 20, "category_id": 4}]
    return labels, listed


@pytest.fixture
def files(tmp_path):
    """The ground truth as JSON and PNG files."""
    annotations = []
    for image_id in SIZES:
        labels, listed = truth_of(image_id)
        write_panoptic_png(tmp_path / "truth" / f"{image_id}.png", labels)
        segments = [{**s, "area": int((labels == s["id"]).sum()), "iscrowd": 0, "bbox": [0, 0, 1, 1]} for s in listed]
        annotations.append({"image_id": image_id, "file_name": f"{image_id}.png", "segments_info": segments})
    content = {"images": [], "annotations": annotations, "categories": list(CATEGORIES)}
    (tmp_path / "truth.json").write_text(json.dumps(content))
    return tmp_path / "truth.json"


def predicted(*image_ids, canvas=(32, 32), scale=2, classes=(1, 2, 2)):
    """The truth on a padded canvas at twice the size, as a batch; -1 is padding."""
    batch = {
        "image_ids": np.array(image_ids, "int64"),
        "panoptic": np.zeros((len(image_ids), *canvas), "int32"),
        "segment_classes": np.tile(np.int32([0, *classes, 0]), (len(image_ids), 1)),
        "segment_scores": np.ones((len(image_ids), 5), "float32"),
        "original_sizes": np.ones((len(image_ids), 2), "float32"),
        "scales": np.full((len(image_ids), 2), scale, "float32"),
        "offsets": np.zeros((len(image_ids), 2), "float32"),
    }
    for i, image_id in enumerate(image_ids):
        if image_id >= 0:
            labels, listed = truth_of(image_id)
            numbers = np.zeros_like(labels)
            for slot, segment in enumerate(listed, start=2):
                numbers[labels == segment["id"]] = slot
            numbers = numbers.repeat(scale, 0).repeat(scale, 1)
            batch["panoptic"][i, : numbers.shape[0], : numbers.shape[1]] = numbers
            batch["original_sizes"][i] = labels.shape
    return batch


@pytest.fixture(params=["files", "dict", "source"])
def evaluator(request, files):
    if request.param == "files":
        return PanopticEvaluator(str(files))
    if request.param == "dict":
        return PanopticEvaluator({i: truth_of(i) for i in SIZES}, categories=CATEGORIES)

    class Source:
        categories, image_ids = CATEGORIES, list(SIZES)

        def ground_truth(self, image_id):
            return truth_of(image_id)

        def panoptic_ground_truth(self):
            return self

    class Model:
        panoptic_categories = CATEGORIES

    class Data:
        source = Source()

    return PanopticEvaluator.made_for(Model(), Data())


def test_perfect_predictions(evaluator):
    evaluator.update(predicted(31, 7))
    evaluator.update(predicted(55, -1))
    result = evaluator.result(per_category=True)
    assert set(result.values()) == {1.0} and "pq/cell" in result
    assert [(row["tp"], row["n"]) for row in evaluator.per_category()] == [(3, 3), (6, 6)]


def test_images_that_never_came_are_missed(evaluator):
    evaluator.update(predicted(31))
    assert evaluator.result(seen_only=True)["pq"] == 1.0
    # One image of three: recall 1 / 3, PQ 1 / (1 + 2 / 2).
    assert evaluator.result()["pq_things"] == pytest.approx(0.5)
    assert evaluator.result()["pq_things"] == pytest.approx(0.5)  # asking changes nothing
    evaluator.update(predicted(7, 55))
    assert evaluator.result()["pq"] == 1.0


def test_workers_and_rounds(evaluator):
    evaluator.update(predicted(31))
    other = PanopticEvaluator({i: truth_of(i) for i in SIZES}, categories=CATEGORIES)
    other.update(predicted(7, 55, classes=(2, 2, 2)))
    evaluator.merge(other)
    assert [(row["tp"], row["fp"], row["fn"]) for row in evaluator.per_category()] == [(1, 0, 2), (6, 2, 0)]
    with pytest.raises(ValueError, match=r"both have seen \[7, 55\]"):
        evaluator.merge(other)
    with pytest.raises(ValueError, match="come before"):
        evaluator.update(predicted(7))
    evaluator.reset()
    evaluator.update(predicted(7))
    assert evaluator.result(seen_only=True)["pq"] == 1.0


def test_a_list_in_the_models_own_order(files):
    evaluator = PanopticEvaluator(files, categories=CATEGORIES[::-1])
    evaluator.update(predicted(31, 7, 55, classes=(2, 1, 1)))
    assert evaluator.result()["pq"] == 1.0
    with pytest.raises(ValueError, match=r"received ids \[5\]"):
        PanopticEvaluator(files, categories=({"id": 5, "name": "sea", "isthing": 0},))


def test_broken_ground_truth_is_skipped_and_counted(files, caplog):
    (files.with_suffix("") / "7.png").write_bytes(b"")
    write_panoptic_png(files.with_suffix("") / "55.png", np.ones((3, 3), int))
    evaluator = PanopticEvaluator(files)
    with caplog.at_level(logging.WARNING, logger="absl"):
        evaluator.update(predicted(31, 7, 55))
        assert evaluator.result()["pq"] == 1.0
    assert evaluator.num_skipped == 2
    text = caplog.text
    assert "7.png" in text and "55.png is (3, 3), the image (8, 8)" in text and "2 images left out" in text


def test_ids_that_disagree_in_the_ground_truth(files, caplog):
    content = json.loads(files.read_text())
    content["annotations"][0]["segments_info"].append({"id": 77, "category_id": 4, "iscrowd": 1, "area": 5})
    evaluator = PanopticEvaluator(content, folder=files.with_suffix(""))
    with caplog.at_level(logging.WARNING, logger="absl"):
        evaluator.update(predicted(31, 7, 55))
    assert evaluator.result()["pq"] == 1.0  # a crowd without pixels changes nothing
    assert evaluator.quality.num_disagreements == 1 and "image 31: segment 77" in caplog.text


def test_what_is_no_prediction(evaluator):
    for key in ("segment_classes", "scales"):
        with pytest.raises(ValueError, match=rf"missing \['{key}'\]"):
            evaluator.update({k: v for k, v in predicted(7).items() if k != key})
    with pytest.raises(ValueError, match="image id 8 is not in the ground truth, which holds 3"):
        evaluator.update({**predicted(7), "image_ids": np.array([8])})
    with pytest.raises(ValueError, match="its slot of 5 is empty"):
        evaluator.update(predicted(7, classes=(1, 2, 0)))


def test_ground_truth_without_categories():
    with pytest.raises(ValueError, match="categories must be given"):
        PanopticEvaluator({i: truth_of(i) for i in SIZES})
