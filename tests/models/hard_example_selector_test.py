import keras
import numpy as np

from panet_tf.losses.hard_examples import hard_examples
from panet_tf.models.hard_example_selector import HardExampleSelector


def test_is_the_function_with_its_settings_after_its_config_too():
    rng = np.random.default_rng(0)
    tops = rng.uniform(0, 40, (90, 2))
    anchors = np.float32(np.hstack([tops, tops + rng.uniform(5, 30, (90, 2))]))
    losses, classes = rng.random((2, 90)).astype("float32"), rng.integers(-1, 3, (2, 90)).astype("int32")
    for settings in (
        {"count": 10, "iou_threshold": 0.3},
        {"count": 12, "iou_threshold": 0.7, "candidates": 40, "negatives_per_positive": 3},
        {"count": 12, "iou_threshold": 0.7, "candidates": 40, "negatives_per_positive": 3, "fill": False},
    ):
        part = HardExampleSelector(**settings)
        part = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(part))
        found = part(losses, classes, anchors)
        np.testing.assert_array_equal(found, hard_examples(losses, classes, anchors, **settings))
        assert 0 < np.sum(found.numpy() >= 0) <= 24


def test_defaults_are_the_best_row_of_the_table():
    part = HardExampleSelector()
    assert (part.count, part.iou_threshold, part.candidates) == (128, 0.5, 2000)
    assert (part.negatives_per_positive, part.fill) == (None, True)
