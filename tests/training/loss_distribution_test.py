import types

import numpy as np
import pytest
import tensorflow as tf

from panet_tf.models.anchor_generator import AnchorGenerator
from panet_tf.models.retinanet import retinanet
from panet_tf.training.loss_distribution import cumulative_share, loss_distribution
from tests.models.tiny import CATEGORIES, batch_of_boxes, tiny_backbone


def data(**kwargs):
    batch = batch_of_boxes(**kwargs)
    batch["image_ids"][-1] = -1  # fills up the last batch
    return types.SimpleNamespace(num_examples=1, dataset=lambda: tf.data.Dataset.from_tensors(batch))


@pytest.fixture(autouse=True)
def eagerly():
    """Tracing would take longer than all the rest."""
    tf.config.run_functions_eagerly(True)
    yield
    tf.config.run_functions_eagerly(False)


@pytest.fixture(scope="module")
def model():
    generator = AnchorGenerator(sizes=(12, 24, 48, 64, 96), scales_per_octave=2)
    return retinanet(categories=CATEGORIES, backbone=tiny_backbone(), filters=8, anchor_generator=generator)


def test_shares_are_those_of_the_easiest():
    found = cumulative_share(np.float32([4, 1, 2, 3]), [0, 0.25, 0.5, 0.625, 1])
    np.testing.assert_allclose(found, [0, 0.1, 0.3, 0.45, 1])
    np.testing.assert_array_equal(cumulative_share(np.zeros(3), [0, 1]), [0, 0])


def test_equals_a_slow_twin_over_all_examples(model):
    source = data()
    found = loss_distribution(model, source, gammas=(0.0, 2.0), points=11)
    batch = next(iter(source.dataset()))
    levels = model.features(batch["images"])
    logits = np.concatenate(list(model.head(levels)["class_logits"].values()), axis=1)[0]
    classes = model.targets(model.anchor_generator(levels), batch)["classes"].numpy()[0]
    losses = {(kind, gamma): [] for kind in ("positive", "negative") for gamma in (0.0, 2.0)}
    for row, label in zip(logits.astype(float), classes):
        for k, x in enumerate(row, start=1):
            if label == 0 or label == k:
                truth = 1 / (1 + np.exp(-x if label == k else x))
                for gamma in (0.0, 2.0):
                    losses["positive" if label else "negative", gamma].append(-((1 - truth) ** gamma) * np.log(truth))
    for (kind, gamma), values in losses.items():
        assert found[f"num_{kind}"] == len(values) > 0
        values = np.sort(values)
        for fraction, share in zip(found["fraction"], found[kind][gamma]):
            exact = values[: int(fraction * len(values))].sum() / values.sum()
            assert exact - 1e-4 <= share <= exact + values.max() / values.sum() + 1e-4


def test_samples_are_as_large_as_asked_and_images_without_objects_are_named(model):
    found = loss_distribution(model, data(), positives=3, negatives=50, points=5)
    assert (found["num_positive"], found["num_negative"]) == (3, 50)
    again = loss_distribution(model, data(), positives=3, negatives=50, points=5)
    np.testing.assert_array_equal(found["negative"][2.0], again["negative"][2.0])
    with pytest.raises(ValueError, match="received no positive one"):
        loss_distribution(model, data(empty=(0, 1)))
