import keras
import numpy as np
import pytest
import tensorflow as tf

from panet_tf.data.preprocessing import Preprocessing
from panet_tf.models.detector import Detector, check_categories
from tests.models.tiny import tiny_retinanet

CATEGORIES = [{"id": 5, "name": "a", "supercategory": "letters"}]


@keras.saving.register_keras_serializable("panet_tf_tests")
class OneWeight(Detector):
    """Loss w * x summed over valid entries; predicts w."""

    def __init__(self, **kwargs):
        super().__init__(loss_names=("first", "second"), **kwargs)
        self.w = self.add_weight(shape=(), initializer="ones", name="w")
        self.built = True

    def call(self, inputs, training=False):
        outputs = {"w": tf.fill(tf.shape(inputs["images"])[:1], self.w.value)}
        if "boxes" in inputs:
            total = tf.reduce_sum(self.w * inputs["images"])
            outputs["losses"] = {"first": (total, tf.size(inputs["images"])), "second": (total * 0.0, 0)}
        return outputs


def data(**kwargs):
    return tf.data.Dataset.from_tensors({"images": tf.constant([1.0, 3.0]), "boxes": tf.zeros(2), **kwargs})


def test_sums_are_divided_by_counts_and_weighted():
    model = OneWeight(categories=CATEGORIES, loss_weights={"first": 0.5})
    model.compile(optimizer=keras.optimizers.SGD(0.1))
    logs = model.fit(data(), verbose=0).history
    assert logs == {"first": [2.0], "second": [0.0], "loss": [1.0]}
    np.testing.assert_allclose(model.w, 1 - 0.1 * 0.5 * 2)


def test_predict_leaves_targets_aside():
    model = OneWeight(categories=CATEGORIES)
    assert set(model.predict(data(), verbose=0)) == {"w"}


def test_regularisers_that_a_user_adds_count():
    model = OneWeight(categories=CATEGORIES)
    model.add_weight(shape=(), initializer="ones", regularizer=keras.regularizers.L2(0.25), name="v")
    model.compile()
    assert model.evaluate(data(), verbose=0, return_dict=True)["loss"] == pytest.approx(2.25)


def test_config_carries_categories_and_preprocessing():
    model = OneWeight(categories=CATEGORIES, seed=3, preprocessing=Preprocessing(canvases=((64, 96),), short_side=None))
    again = OneWeight.from_config(model.get_config())
    assert again.categories == tuple(CATEGORIES) and again.seed == 3
    assert again.preprocessing.get_config() == model.preprocessing.get_config()


def test_what_is_frozen_is_frozen_again_from_a_configuration():
    model = tiny_retinanet()
    model.necks[0].trainable = False  # a layer that makes others
    names = [w.path for w in model.trainable_weights]
    again = type(model).from_config(model.get_config())
    assert [w.path for w in again.trainable_weights] == names
    assert len(names) == len(model.weights) - len(model.necks[0].weights)


def test_another_version_of_the_configuration_is_refused():
    with pytest.raises(ValueError, match="version 1, received version 2"):
        OneWeight.from_config({**OneWeight(categories=CATEGORIES).get_config(), "version": 2})


@pytest.mark.parametrize("categories", [[], [{"name": "a"}], [{"id": 1, "name": "a"}, {"id": 1, "name": "b"}]])
def test_categories_are_checked(categories):
    with pytest.raises(ValueError, match="categor"):
        check_categories(categories)
