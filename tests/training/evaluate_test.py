"""Evaluation over batches: metrics of perfect and empty predictions, padding, categories, evaluators of one's own."""

import logging

import numpy as np
import pytest
import tensorflow as tf

from panet_tf.data.preprocessing import Preprocessing
from panet_tf.evaluation.coco_evaluator import CocoEvaluator
from panet_tf.training.evaluate import default_evaluators, evaluate, make_evaluator, predictions
from tests.training.tiny import TinyData, TinyDetector


class Oracle(TinyDetector):
    """Predicts what `TinyData` holds, or nothing."""

    shift = 0.0

    def call(self, inputs, training=False):
        def truth(ids):
            found = [TinyData().example(max(int(i), 0))[1:] for i in ids]
            return np.stack([boxes for boxes, _ in found]), np.stack([classes for _, classes in found])

        boxes, classes = tf.numpy_function(truth, [inputs["image_ids"]], (tf.float32, tf.int32))
        return {
            "boxes": tf.ensure_shape(boxes, (None, 1, 4)) + self.shift,
            "classes": tf.ensure_shape(classes, (None, 1)),
            "scores": tf.ones_like(classes, tf.float32),
            "image_ids": inputs["image_ids"],
        }


@pytest.fixture
def data():
    return TinyData(training=False)  # 6 images in batches of 4: two padding images


def test_a_perfect_model(data):
    results = evaluate(Oracle(), data, verbose=False)
    assert results["bbox/AP"] == pytest.approx(1.0)
    assert not any(name.startswith("segm") for name in results)  # it predicts no masks


def test_the_folder_of_a_run_is_its_model_s(data, tmp_path):
    with pytest.raises(ValueError, match="no model at .*model.keras. A run writes model.keras .* when it ends"):
        evaluate(tmp_path, data, verbose=False)


def test_a_model_that_is_off(data):
    model = Oracle()
    model.shift = 1.0  # boxes of 4 x 4, IoU 9 / 23
    assert evaluate(model, data, verbose=False)["bbox/AP50"] == 0.0


def test_other_sizes_than_the_model_s_are_warned_of(data, caplog):
    model = Oracle(preprocessing=Preprocessing(short_side=None))
    data.preprocessing = Preprocessing(short_side=600)
    with caplog.at_level(logging.WARNING):
        assert evaluate(model, data, verbose=False)["bbox/AP"] == pytest.approx(1.0)
    assert "The data have short_side 600, the model was trained with short_side None" in caplog.text


def test_a_quick_look_counts_only_what_was_seen(data):
    assert evaluate(Oracle(), data, max_images=4, verbose=False)["bbox/AP"] == pytest.approx(1.0)


def test_evaluators_of_ones_own(data):
    class Count:
        def __init__(self, ground_truth=None, max_detections=None):
            self.ground_truth, self.max_detections, self.resets = ground_truth, max_detections, 0
            self.seen = []

        def reset(self):
            self.resets += 1
            self.seen = []

        def update(self, predictions):
            self.seen += [i for i in predictions["image_ids"].tolist() if i >= 0]

        def result(self):
            images = len(self.ground_truth["images"]) if self.ground_truth else 0
            return {"count": len(self.seen), "images": images, "max_detections": self.max_detections}

    assert evaluate(Oracle(), data, evaluators=(Count,), verbose=False) == {
        "count": 6,
        "images": 6,
        "max_detections": 1,
    }
    counter = Count()
    for _ in range(2):  # reset between rounds
        assert evaluate(Oracle(), data, evaluators=(counter,), verbose=False)["count"] == 6
    assert counter.resets == 2


@pytest.mark.parametrize("max_images, left_out", [(None, 0), (4, 2)])
def test_images_left_out_are_said_to_evaluators_that_take_it(data, max_images, left_out, caplog):
    class Plain:
        def reset(self):
            pass

        def update(self, predictions):
            pass

        def result(self):
            return {"plain": 1}

    class Open(Plain):
        def result(self, **options):
            return {"open": options}

    class Named(Plain):
        def result(self, *, seen_only=False):
            return {"named": seen_only}

    with caplog.at_level(logging.WARNING):
        results = evaluate(Oracle(), data, evaluators=(Plain(), Open(), Named()), max_images=max_images, verbose=False)
    assert results == {"plain": 1, "open": {"seen_only": True} if left_out else {}, "named": bool(left_out)}
    assert caplog.text.count("2 of 6 images were not seen, and Plain.result()") == (1 if left_out else 0)


def test_masks_are_pasted_by_the_rule_of_the_model(data):
    model = Oracle()
    outputs = {"boxes": None, "masks": None}
    assert [evaluator.whole_pixels for evaluator in default_evaluators(outputs, model, data)] == [False]
    model.whole_pixels = "inclusive"
    assert [evaluator.whole_pixels for evaluator in default_evaluators(outputs, model, data)] == ["inclusive"]
    assert make_evaluator(CocoEvaluator, model, data).whole_pixels == "inclusive"


def test_reads_a_saved_model(data, tmp_path):
    model = TinyDetector()
    model.save(tmp_path / "model.keras")
    assert evaluate(tmp_path / "model.keras", data, verbose=False) == evaluate(model, data, verbose=False)


def test_other_categories_are_refused(data):
    other = TinyData(training=False, categories=({"id": 7, "name": "bright"}, {"id": 3, "name": "black"}))
    with pytest.raises(ValueError, match=r"\(3, 'dark'\) in the model and \(3, 'black'\)"):
        evaluate(TinyDetector(), other)


def test_predictions_are_those_of_predict(data):
    model = TinyDetector()
    batches = list(predictions(model, data.dataset()))
    whole = model.predict(data.dataset(), verbose=0)
    for name, value in whole.items():
        np.testing.assert_allclose(np.concatenate([batch[name] for batch in batches]), value, rtol=1e-6)


def test_progress(data, capsys):
    evaluate(Oracle(), data)
    assert "evaluated 6 images" in capsys.readouterr().out
