import subprocess
import sys
import textwrap
import warnings

import keras
import numpy as np
import pytest
import tensorflow as tf

from panet_tf.data.preprocessing import Preprocessing
from panet_tf.models.detector import Detector, check_categories
from tests.data.coins import batches, coin_source, make
from tests.models.tiny import tiny_panet, tiny_retinanet
from tests.training.tiny import TinyData, TinyDetector

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


@keras.saving.register_keras_serializable("panet_tf_tests")
class OwnNeck(keras.Model):
    """A neck as a user may write it: a model that makes its layers itself, of which its file knows nothing."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.conv = keras.layers.Conv2D(8, 1, name="own")

    def build(self, input_shape):
        self.conv.build((None, None, None, 8))
        self.built = True

    def call(self, levels, training=False):
        return {name: self.conv(level) for name, level in levels.items()}

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        return {"name": self.name, "trainable": self.trainable}


def test_a_frozen_model_that_makes_its_layers_is_frozen_again():
    model = tiny_panet(necks=[*tiny_panet().necks, OwnNeck()])
    model.necks[-1].trainable = False
    for made in (model, type(model).from_config(model.get_config())):
        assert not made.necks[-1].conv.trainable and not made.necks[-1].trainable_weights
        assert made.necks[0].trainable_weights


def test_what_is_thawed_in_a_frozen_backbone_is_thawed_again():
    model = tiny_retinanet()
    model.backbone.trainable = False
    thawed = [layer for layer in model.backbone.layers if layer.weights][-1]
    thawed.trainable = True
    names = [w.path for w in model.trainable_weights]
    assert {w.path for w in thawed.trainable_weights} <= {*names}
    assert [w.path for w in type(model).from_config(model.get_config()).trainable_weights] == names


def test_another_version_of_the_configuration_is_refused():
    with pytest.raises(ValueError, match="version 1, received version 2"):
        OneWeight.from_config({**OneWeight(categories=CATEGORIES).get_config(), "version": 2})


@pytest.mark.parametrize("categories", [[], [{"name": "a"}], [{"id": 1, "name": "a"}, {"id": 1, "name": "b"}]])
def test_categories_are_checked(categories):
    with pytest.raises(ValueError, match="categor"):
        check_categories(categories)


@pytest.mark.parametrize("random_access", [True, False])
def test_evaluation_averages_over_images_and_leaves_padding_out(random_access):
    # Without random access Keras does not know where the data end.
    source = coin_source(((48, 90), (90, 48)), count=9, random_access=random_access)
    data = make(source, canvases=((64, 96), (96, 64)), short_side=64, batch_size=4)
    model = TinyDetector(categories=source.categories)
    model.compile()
    logs = model.evaluate(data.dataset(), verbose=0, return_dict=True)
    found = batches(data)
    images = [(batch["image_ids"] >= 0).sum() for batch in found]
    assert sorted(images) == [1, 4, 4]
    losses = [{name: float(s / max(c, 1)) for name, (s, c) in model(batch)["losses"].items()} for batch in found]
    for name in model.loss_names:
        assert len({round(loss[name], 3) for loss in losses}) == 3
        assert logs[name] == pytest.approx(np.average([loss[name] for loss in losses], weights=images), rel=1e-5)
    assert logs["loss"] == pytest.approx(logs["class_loss"] + logs["box_loss"], rel=1e-5)


REPLICAS = """
    import numpy as np, tensorflow as tf
    cpu = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
    from tests.training.tiny import TinyData, TinyDetector

    logs, weights = [], None
    for strategy in (tf.distribute.get_strategy(), tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])):
        with strategy.scope():
            model = TinyDetector(norm=False)
            model.compile(jit_compile=False)
        weights = weights or model.get_weights()
        model.set_weights(weights)
        # The last of two batches has one image, and one of its replicas none.
        logs.append(model.evaluate(TinyData(num_examples=5, training=False).dataset().take(2), verbose=0))
    np.testing.assert_allclose(*logs, rtol=1e-5)
    print("equal", len(logs[0]))
"""


@pytest.mark.slow
def test_replicas_average_as_one_device_does():
    command = [sys.executable, "-c", textwrap.dedent(REPLICAS)]
    result = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert (result.returncode, result.stdout.strip()) == (0, "equal 3"), result.stderr[-2000:]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"loss": "mse"}, r"has its own losses, \('first', 'second'\).*received 'mse'"),
        ({"loss_weights": {"first": 2.0}}, "an argument of the model"),
        ({"metrics": ["accuracy"]}, r"panet_tf.evaluate\(model, eval_data\).*received \['accuracy'\]"),
        ({"weighted_metrics": ["mse"]}, "EvaluationCallback"),
    ],
)
def test_what_compile_does_not_take_is_refused_and_leaves_no_trace(arguments, message):
    model = OneWeight(categories=CATEGORIES)
    with pytest.raises(ValueError, match=message):
        model.compile("sgd", **arguments)
    model.compile("sgd", loss=None, metrics=[])
    assert set(model.evaluate(data(), verbose=0, return_dict=True)) == {"loss", "first", "second"}


def test_a_file_brings_the_compiled_state_back(tmp_path):
    model = OneWeight(categories=CATEGORIES)
    model.compile(optimizer=keras.optimizers.SGD(0.1, momentum=0.9), steps_per_execution=1)
    model.fit(data(), verbose=0, shuffle=False)
    model.save(tmp_path / "model.keras")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        again = keras.saving.load_model(tmp_path / "model.keras")
    assert again.compiled and again.optimizer.get_config() == model.optimizer.get_config()
    for ours, theirs in zip(model.optimizer.variables, again.optimizer.variables, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    again.compile_from_config({**model.get_compile_config(), "loss": "mse"})  # of a file that was written with it


def test_data_that_are_not_the_models_are_refused():
    model = TinyDetector(norm=False)
    model.compile()
    for call in (model.fit, model.evaluate):
        with pytest.raises(ValueError, match="data sets of dicts that hold inputs and targets"):
            call(np.zeros((2, 8, 8, 3), "float32"), verbose=0)
        with pytest.raises(ValueError, match="need targets in the inputs.*received .'image_ids', 'images'."):
            call(tf.data.Dataset.from_tensors({"images": tf.zeros((2, 8, 8, 3)), "image_ids": [0, 1]}), verbose=0)
    batch = next(iter(TinyData().dataset()))
    other = tf.data.Dataset.from_tensors({**batch, "classes": batch["classes"] + 2})
    for call in (model.fit, model.evaluate):
        with pytest.raises(tf.errors.InvalidArgumentError, match=r"model has \(bright, dark\).*\[3\] \[to\] \[4\]"):
            call(other, verbose=0)
