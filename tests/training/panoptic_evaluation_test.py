"""Panoptic quality in `evaluate`, in the logs of `fit`, and by name from gin; and predictions in COCO's format."""

import gin
import keras
import numpy as np
import pytest
import tensorflow as tf

from panet_tf.evaluation.compare_panoptic_folders import compare_panoptic_folders
from panet_tf.evaluation.panoptic_evaluator import PanopticEvaluator
from panet_tf.evaluation.panoptic_folder import PanopticFolder
from panet_tf.gin_setup import parse_gin
from panet_tf.training.evaluate import evaluate
from panet_tf.training.evaluation_callback import EvaluationCallback
from tests.training.tiny import CATEGORIES, TinyData, TinyDetector

PANOPTIC = ({"id": 50, "name": "ground", "isthing": 0}, *({**category, "isthing": 1} for category in CATEGORIES))


class PanopticData(TinyData):
    """`TinyData` with a map of each image: its box, and ground around it."""

    panoptic_categories = PANOPTIC

    def panoptic_ground_truth(self):
        class Truth:
            categories, image_ids = PANOPTIC, list(range(self.num_examples))

            @staticmethod
            def ground_truth(image_id):
                _, [[top, left, bottom, right]], [kind] = self.example(image_id)
                labels = np.full((8, 8), 1000, "int32")
                labels[int(top) : int(bottom), int(left) : int(right)] = 7
                segments = [{"id": 1000, "category_id": 50}, {"id": 7, "category_id": PANOPTIC[kind]["id"]}]
                return labels, segments

        return Truth()


class PanopticOracle(TinyDetector):
    """Knows the maps, the ground in slot 2 and the box in slot 0; all at twice the size, on a canvas of 32 x 32."""

    panoptic_categories = PANOPTIC

    def call(self, inputs, training=False):
        def truth(ids):
            found = [PanopticData().panoptic_ground_truth().ground_truth(max(int(i), 0))[0] for i in ids]
            numbers = np.array([np.where(labels == 7, 1, 3).repeat(2, 0).repeat(2, 1) for labels in found], "int32")
            kinds = [int(PanopticData().example(max(int(i), 0))[2][0]) + 1 for i in ids]
            return np.pad(numbers, [(0, 0), (0, 16), (0, 16)]), np.array([[kind, 0, 1] for kind in kinds], "int32")

        outputs = super().call(inputs, training=training)
        if "boxes" in outputs:
            maps, classes = tf.numpy_function(truth, [inputs["image_ids"]], (tf.int32, tf.int32))
            ones = tf.ones((tf.shape(inputs["image_ids"])[0], 2))
            outputs |= {"panoptic": tf.ensure_shape(maps, (None, 32, 32)), "original_sizes": 8 * ones}
            outputs |= {"segment_classes": tf.ensure_shape(classes, (None, 3)), "scales": 2 * ones, "offsets": 0 * ones}
            outputs["segment_scores"] = tf.ones_like(outputs["segment_classes"], tf.float32)
        return outputs


@pytest.fixture
def data():
    return PanopticData(training=False)  # 6 images in batches of 4: two padding images


def test_evaluate_measures_what_the_model_predicts(data, tmp_path):
    results = evaluate(PanopticOracle(), data, submission=tmp_path / "panoptic", verbose=False)
    assert {results[name] for name in ("pq", "sq", "rq", "pq_things", "pq_stuff")} == {1.0}
    assert "bbox/AP" in results
    assert evaluate(PanopticOracle(), data, max_images=4, verbose=False)["pq"] == 1.0
    # What was written, compared by files alone.
    written = PanopticFolder(tmp_path / "panoptic.json")
    assert written.image_ids == list(range(6)) and written.categories == PANOPTIC
    assert compare_panoptic_folders(written, written).result()["pq"] == 1.0
    labels, segments = written.ground_truth(2)
    truth, _ = data.panoptic_ground_truth().ground_truth(2)
    np.testing.assert_array_equal(labels == 1, truth == 7)
    assert [(s["id"], s["category_id"], s["area"]) for s in segments][1] == (3, 50, 48)


def test_other_panoptic_categories_are_refused(data):
    data.panoptic_categories = PANOPTIC[::-1]
    with pytest.raises(
        ValueError, match=r"same panoptic_categories .* \(50, 'ground'\) in the model and \(3, 'dark'\)"
    ):
        evaluate(PanopticOracle(), data)


def test_val_pq_in_the_logs_of_fit(data):
    model = PanopticOracle()
    model.compile(optimizer=keras.optimizers.SGD(0.01))
    callback = EvaluationCallback(data, evaluators=(PanopticEvaluator,), verbose=False)
    history = model.fit(PanopticData().dataset(), steps_per_epoch=1, epochs=1, callbacks=[callback], verbose=0)
    assert history.history["val_pq"] == [1.0] and history.history["val_pq_things"] == [1.0]
    assert not any(name.startswith("val_bbox") for name in history.history)


def test_by_name_from_gin(data, tmp_path):
    bindings = ["evaluate.evaluators = (@PanopticEvaluator, @PanopticSubmission)", "PanopticEvaluator.areas = 'pixels'"]
    parse_gin((), [*bindings, f"PanopticSubmission.folder = '{tmp_path}/out'"])
    results = gin.get_configurable("panet_tf.evaluate")(PanopticOracle(), data, verbose=False)
    assert results["pq"] == 1.0 and "bbox/AP" not in results
    assert PanopticFolder(tmp_path / "out.json").image_ids == list(range(6))
