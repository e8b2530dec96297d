import functools
import json

import keras
import numpy as np
import pytest

from panet_tf.data.detection_data import DetectionData
from panet_tf.data.occluded_shapes_source import OccludedShapesSource
from panet_tf.heads.box import BoxHead
from panet_tf.heads.mask import MaskHead
from panet_tf.models.mask_rcnn import mask_rcnn
from panet_tf.models.unshared_rcnn import UnsharedRCNN
from panet_tf.training.alternate_training import alternate_training
from panet_tf.training.sgd import SGD
from panet_tf.training.train import train as real_train
from tests.models.tiny import tiny_panet

OPTIONS = {"canvases": ((64, 64),), "short_side": 64, "long_side": 64, "max_instances": 6}


def data(training=False):
    made = OccludedShapesSource(image_size=(64, 64), num_examples=3)
    return functools.partial(DetectionData, source=made, batch_size=1, training=training, **OPTIONS)


def assemble(*, categories):
    number = len(categories)
    heads = {
        "box_head": BoxHead(num_classes=number, num_fcs=1, units=8),
        "mask_head": MaskHead(num_classes=number, num_convs=1, filters=8),
    }
    return tiny_panet(build=lambda **parts: mask_rcnn(**{**parts, "categories": categories}), **heads)


def values(part):
    layers = part if isinstance(part, list) else [part]
    return [np.array(weight) for layer in layers for weight in layer.weights]


def same(one, other):
    return all(np.array_equal(a, b) for a, b in zip(values(one), values(other), strict=True))


def pretended(runs):
    """A `train` that moves every trainable weight a little and notes what it was asked."""

    def train(*, model, train_data, model_dir, **kwargs):
        made = model(categories=train_data.categories)
        for weight in made.trainable_weights:
            weight.assign(weight * 1.01 + 1e-3)
        runs[model_dir.name] = {"model": made, "train_data": train_data, **kwargs}
        return made

    return train


def test_four_steps_end_in_one_detector_of_shared_features(tmp_path):
    runs = {}
    found = alternate_training(
        model=assemble,
        train_data=data(training=True),
        proposal_data=data(),
        eval_data=data(),
        model_dir=tmp_path,
        steps=9,
        share_features=True,
        train_proposals=5,
        eval_proposals=4,
        train=pretended(runs),
        initial_weights="somewhere.keras",
        initial_categories={"square": "box"},
        verbose=False,
    )
    started = [(run["initial_weights"], run["initial_categories"]) for run in runs.values()]
    assert started == [("somewhere.keras", {"square": "box"})] * 2 + [(None, None)] * 2
    assert {name: run["steps"] for name, run in runs.items()} == {
        "1_rpn": 5,
        "2_detector": 9,
        "3_rpn": 5,
        "4_detector": 9,
    }
    models = {name[0]: run["model"] for name, run in runs.items()}
    for part in ("backbone", "necks"):
        one, two, three, four = (getattr(models[number], part) for number in "1234")
        assert not same(one, two) and same(two, three) and same(three, four)
    assert not same(models["2"].box_head, models["4"].box_head)  # trained on from there
    moved = values(models["2"].mask_head)[0] * 1.01 + 1e-3
    np.testing.assert_allclose(values(models["4"].mask_head)[0], moved, rtol=1e-6)
    assert runs["2_detector"]["train_data"].max_proposals == 5 and runs["4_detector"]["eval_data"].max_proposals == 4
    for name, most in (("train", 5), ("eval", 4)):
        for step in ("1_rpn", "3_rpn"):
            lines = json.loads((tmp_path / step / f"proposals_{name}.json").read_text())
            per_image = np.unique([line["image_id"] for line in lines], return_counts=True)[1]
            assert len(per_image) == 3 and per_image.max() <= most
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert same(loaded.rpn_head, models["3"].rpn_head) and same(loaded.box_head, models["4"].box_head)
    assert same(found.backbone, models["2"].backbone) and found.loss_names[:2] == models["1"].loss_names


@pytest.mark.slow
def test_initial_weights_do_not_take_the_place_of_the_features_of_step_2(tmp_path):
    assemble(categories=data()().categories).save(tmp_path / "initial.keras")
    train = functools.partial(  # as gin binds it, too
        real_train, initial_weights=tmp_path / "initial.keras", optimizer=SGD(0.01), prediction_images=0
    )
    arguments = dict(model=assemble, train_data=data(training=True), proposal_data=data(), model_dir=tmp_path)
    alternate_training(**arguments, steps=2, rpn_steps=1, share_features=True, train=train, verbose=False)
    second, third = (keras.saving.load_model(tmp_path / name / "model.keras") for name in ("2_detector", "3_rpn"))
    initial = keras.saving.load_model(tmp_path / "initial.keras")
    for part in ("backbone", "necks"):
        assert same(getattr(third, part), getattr(second, part))
        assert not same(getattr(third, part), getattr(initial, part))


@pytest.mark.slow
def test_really_trained_apart_and_resumed(tmp_path):
    arguments = dict(
        model=assemble,
        train_data=data(training=True),
        proposal_data=data(),
        eval_data=data(),
        model_dir=tmp_path,
        steps=4,
        rpn_steps=3,
        optimizer=SGD(learning_rate=0.01),
        prediction_images=0,
        verbose=False,
    )
    found = alternate_training(**arguments)
    assert isinstance(found, UnsharedRCNN)
    batch = next(iter(data()().dataset()))
    expected = found.predict_step(batch)
    again = alternate_training(**arguments)  # nothing is left to do
    np.testing.assert_allclose(again.predict_step(batch)["boxes"], expected["boxes"], atol=1e-4)
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert not same(loaded.first.backbone, loaded.second.backbone)
    shared = alternate_training(**arguments, share_features=True)
    for name in ("1_rpn", "2_detector", "3_rpn", "4_detector"):
        assert (tmp_path / name / "history.csv").exists()
    assert "val_proposals/bbox/AR1000" in (tmp_path / "3_rpn" / "history.csv").read_text()
    assert shared.predict_step(batch)["masks"].shape[0] == 1
