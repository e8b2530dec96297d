"""Keras's files, part by part."""

import keras
import numpy as np
import pytest

from panet_tf.backbones.resnet import resnet
from panet_tf.weights.keras_file import load_keras_file
from tests.layer_checks import randomize


@keras.saving.register_keras_serializable("panet_tf_tests")
class Detector(keras.Model):
    """A backbone and a head that depends on the number of classes."""

    def __init__(self, *, classes, **kwargs):
        super().__init__(**kwargs)
        self.classes = classes
        self.backbone = resnet(18, norm="batch")
        self.head = [keras.layers.Dense(6), keras.layers.Dense(classes)]
        self.head[0].build((None, 512))
        self.head[1].build((None, 6))
        self.built = True

    def call(self, images):
        return self.head[1](self.head[0](self.backbone(images)["C5"]))

    def get_config(self):
        return {**super().get_config(), "classes": self.classes}


def _saved(tmp_path, ending, classes=81):
    model = Detector(classes=classes)
    randomize(model)
    model.save(tmp_path / "model.keras") if ending == ".keras" else model.save_weights(tmp_path / f"model{ending}")
    return model, tmp_path / f"model{ending}"


def _equal(a, b):
    return [np.array_equal(x, y) for x, y in zip(a.weights, b.weights, strict=True)]


@pytest.mark.parametrize("ending", [".keras", ".weights.h5"])
def test_everything_but_the_classes_is_taken(ending, tmp_path):
    source, file = _saved(tmp_path, ending)
    model = Detector(classes=4)
    fresh = [np.array(weight) for weight in model.head[1].weights]
    loaded, skipped, missing = load_keras_file(model, file)
    assert len(loaded) == len(source.weights) - 2
    assert [(shape, reason) for _, shape, reason in skipped] == [
        ((6, 81), "the model has (6, 4)"),
        ((81,), "the model has (4,)"),
    ]
    assert missing == [name for name, _, _ in skipped]
    assert all(_equal(model.backbone, source.backbone)) and all(_equal(model.head[0], source.head[0]))
    for old, new in zip(fresh, model.head[1].weights):
        np.testing.assert_array_equal(old, new)


def test_a_part_of_a_file_can_be_taken(tmp_path):
    source, file = _saved(tmp_path, ".keras")
    backbone = resnet(18, norm="batch")
    _, skipped, missing = load_keras_file(backbone, file, group="backbone")
    assert not skipped and not missing and all(_equal(backbone, source.backbone))


@pytest.mark.parametrize("first, second", [("sync_bn", "frozen_bn"), ("frozen_bn", "batch")])
def test_live_and_frozen_batch_norms_read_each_other(first, second, tmp_path):
    source, model = resnet(18, norm=first), resnet(18, norm=second)
    randomize(source)
    source.save_weights(tmp_path / "model.weights.h5")
    _, skipped, missing = load_keras_file(model, tmp_path / "model.weights.h5")
    assert not skipped and not missing and all(_equal(model, source))


def test_an_optimizers_state_is_no_weight(tmp_path):
    images = keras.Input((3,))
    model = keras.Model(images, keras.layers.Dense(2)(images))
    model.compile("adam", "mse")
    model.fit(np.ones((2, 3)), np.ones((2, 2)), verbose=0)
    model.save(tmp_path / "model.keras")
    loaded, skipped, missing = load_keras_file(model, tmp_path / "model.keras")
    assert (len(loaded), skipped, missing) == (2, [], [])


def test_an_unknown_part_is_refused_with_the_choices(tmp_path):
    _, file = _saved(tmp_path, ".weights.h5")
    with pytest.raises(ValueError, match="no part 'neck'.*backbone"):
        load_keras_file(resnet(18), file, group="neck")
