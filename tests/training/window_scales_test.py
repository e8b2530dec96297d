"""Zoom of a model that is there: other scales in one evaluation, and scales that are set after a prediction."""

import types

import numpy as np
import pytest
import tensorflow as tf

from panet_tf.training.evaluate import evaluate
from panet_tf.training.window_scales import windows_at
from tests.models.deep_mask_test import tiny
from tests.training.tiny import TinyDetector


class Kept:
    """An evaluator whose result is what it saw."""

    def reset(self):
        self.seen = {}

    def update(self, outputs):
        self.seen = outputs

    def result(self):
        return self.seen


def test_scales_count_from_when_they_are_given():
    model = tiny(scales=(1.0,), binarize_at=0.5)
    images = np.random.default_rng(0).standard_normal((2, 64, 64, 3)).astype("float32")
    inputs = {"images": images, "image_ids": np.int64([0, 1])}
    data = types.SimpleNamespace(
        dataset=lambda: tf.data.Dataset.from_tensors(inputs), categories=model.categories, num_examples=2
    )
    plain = model.predict(inputs, verbose=0)
    zoomed = evaluate(model, data, evaluators=(Kept(),), scales=(1.0, 2.0), verbose=False)
    assert model.scales == (1.0,)
    np.testing.assert_allclose(evaluate(model, data, evaluators=(Kept(),), verbose=False)["scores"], plain["scores"])
    model.scales = 1.0, 2.0
    wanted = model.predict(inputs, verbose=0)  # traced before, at one scale
    eager = model(inputs)
    for name in ("boxes", "scores", "masks"):
        np.testing.assert_allclose(zoomed[name], wanted[name], atol=1e-5)
        np.testing.assert_allclose(eager[name], wanted[name], atol=1e-4)
    assert (wanted["scores"] >= plain["scores"] - 1e-5).all() and (wanted["scores"] > plain["scores"] + 1e-5).any()


def test_scales_are_given_back_after_an_error_and_refused_where_there_are_none():
    model = tiny()
    with pytest.raises(KeyError), windows_at(model, (3.0,)):
        assert model.scales == (3.0,)
        raise KeyError
    assert model.scales == (0.5, 1.0)
    with windows_at(TinyDetector(), None):
        pass
    with pytest.raises(ValueError, match="slide over an image"), windows_at(TinyDetector(), (1.0,)):
        pass
