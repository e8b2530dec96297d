"""One panoptic model, several ways to merge; and data whose semantic classes are not the model's."""

import types

import numpy as np
import pytest
import tensorflow as tf

from panet_tf.models.detector import Detector
from panet_tf.training.evaluate import evaluate
from panet_tf.training.merging import check_context_matches, merging_with
from panet_tf.training.train import train
from tests.models.panoptic_scene import PANOPTIC, panoptic_batch, tiny_oanet
from tests.training.panoptic_evaluation_test import PanopticData, PanopticOracle


@pytest.fixture(scope="module")
def model():
    model = tiny_oanet()
    model.compile(optimizer="sgd", run_eagerly=True)
    return model


def images():
    return {key: value for key, value in panoptic_batch().items() if key.startswith(("image", "scale", "o"))}


def test_settings_change_for_a_while(model):
    def shown():
        outputs = model.predict(images(), verbose=0)
        return outputs["segment_detections"], outputs["ranking_scores"]

    ranked, scores = shown()
    found = ranked[0][ranked[0] >= 0]
    assert len(found) > 2 and (np.diff(scores[0][found]) <= 0).all()
    with merging_with(model, {"order": "detection", "overlap_threshold": 1.0}):
        heuristic, _ = shown()
    assert not np.array_equal(heuristic, ranked)
    found = heuristic[0][heuristic[0] >= 0]
    np.testing.assert_array_equal(found, np.sort(found))
    np.testing.assert_array_equal(shown()[0], ranked)
    assert (model.panoptic_merger.order, model.panoptic_merger.overlap_threshold) == ("ranking", 0.5)


@pytest.mark.parametrize(
    "settings, message",
    [({"order": "depth"}, "order"), ({"ordr": "ranking"}, "settings"), ({"context": "stuff_ignore"}, "context")],
)
def test_what_cannot_be_is_refused(model, settings, message):
    with pytest.raises(ValueError, match=message), merging_with(model, settings):
        pass
    assert model.panoptic_merger.order == "ranking"


def test_evaluation_of_a_model_that_merges_nothing():
    with pytest.raises(ValueError, match="panoptic_merger"):
        evaluate(PanopticOracle(), PanopticData(training=False), merging={"order": "detection"}, verbose=False)


@pytest.mark.parametrize("context", ["stuff_ignore", "stuff_plus_thing", None])
def test_training_refuses_data_of_another_context(model, context, tmp_path):
    data = types.SimpleNamespace(categories=model.categories, semantic_context=context, panoptic_categories=PANOPTIC)
    with pytest.raises(ValueError, match=f"received {context!r} in the data and 'all' in the model"):
        train(model=model, train_data=data, model_dir=tmp_path, steps=1, verbose=False)
    data.semantic_context = "all"
    check_context_matches(model, data)


class Map(Detector):
    """Predicts the first channel of its images, as a map on their canvas."""

    def call(self, inputs, training=False):
        return {"panoptic": inputs["images"][..., 0]}


def test_maps_of_several_canvases_are_not_joined():
    model = Map(categories=PANOPTIC, loss_names=())
    sides = [(64, 96), (64, 96), (96, 64)]
    batches = tf.data.Dataset.range(3).map(
        lambda number: {"images": tf.zeros(tf.concat([[2], tf.gather(sides, number), [3]], axis=0))}
    )
    assert model.predict(batches.take(2), verbose=0)["panoptic"].shape == (4, 64, 96)
    with pytest.raises(ValueError, match=r"'panoptic' has shape \(64, 96\) in one and \(96, 64\)"):
        model.predict(batches, verbose=0)
