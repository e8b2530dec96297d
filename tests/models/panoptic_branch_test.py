"""The panoptic branch without the detector around it: what reaches its losses, and who is ranked."""

import types

import numpy as np
import tensorflow as tf

from panet_tf.models import panoptic_branch

SIZE = (32, 48)
CELLS = (8, 12)


class Ranking:
    """Scores of class k of a cell are k times what lies there; remembers what it saw."""

    stride, num_classes, share_blobs, train_on = 4, 2, False, "truth"

    def __call__(self, canvas):
        self.seen = canvas.numpy()
        return tf.constant([1.0, 2.0]) * canvas


class Head:
    def __call__(self, levels, training=False):
        self.seen = levels
        return levels["P2"]


def model(**parts):
    empty = dict.fromkeys(("semantic_backbone", "spatial_ranking", "panoptic_merger"))
    kept = {"semantic_head": Head(), "semantic_necks": [], "compute_dtype": "float32"}
    return types.SimpleNamespace(**{**empty, **kept, **parts})


def batch(**changes):
    """Two images with two overlapping squares of full masks each."""
    boxes = np.tile(np.float32([[4, 4, 20, 20], [12, 12, 28, 28], [0, 0, 0, 0]]), (2, 1, 1))
    panoptic = np.zeros((2, *CELLS), "int32")
    panoptic[:, 1:5, 1:5], panoptic[:, 3:7, 3:7] = 1, 2  # the second hides the first where both are
    whole = {
        "images": np.zeros((2, *SIZE, 3), "float32"),
        "image_ids": np.int64([3, 4]),
        "semantic": np.random.default_rng(0).integers(0, 3, (2, *CELLS)),
        "panoptic": panoptic,
        "boxes": boxes,
        "classes": np.int32([[1, 2, 0], [1, 2, 0]]),
        "is_crowd": np.zeros((2, 3), bool),
        "masks": np.ones((2, 3, 112, 112), "uint8"),
    }
    return {key: tf.constant(value) for key, value in {**whole, **changes}.items()}


def cross_entropy(logits, labels):
    """Sum over labelled pixels, one at a time."""
    total = 0.0
    for place in zip(*np.nonzero(labels < logits.shape[-1])):
        values = logits[place].astype("float64")
        total += np.log(np.exp(values).sum()) - values[labels[place]]
    return total


def test_losses_are_sums_over_pixels():
    logits = np.random.default_rng(1).normal(size=(2, *CELLS, 3)).astype("float32")
    inputs, ranking = batch(), Ranking()
    levels = {"P2": tf.constant(logits)}
    found = panoptic_branch.losses(model(spatial_ranking=ranking), {}, levels, None, inputs, True)
    total, count = found["semantic_loss"]
    assert count == 2 * 8 * 12
    np.testing.assert_allclose(total, cross_entropy(logits, inputs["semantic"].numpy()), rtol=1e-5)  # float32 sums
    # Classes are told apart where both squares are: 2 x 2 cells an image, each the second's.
    total, count = found["ranking_loss"]
    assert count == 2 * 4
    assert (ranking.seen[:, 3:5, 3:5] == 1).all() and ranking.seen.sum() == 2 * (16 + 16)
    np.testing.assert_allclose(total, 2 * 4 * np.log(1 + np.exp(1.0 - 2.0)), rtol=1e-5)


def test_padding_images_and_crowds_are_left_out():
    levels = {"P2": tf.zeros((2, *CELLS, 3))}
    inputs = batch(image_ids=np.int64([3, -1]))
    found = panoptic_branch.losses(model(spatial_ranking=Ranking()), {}, levels, None, inputs, True)
    assert (found["semantic_loss"][1], found["ranking_loss"][1]) == (8 * 12, 4)
    crowd = np.zeros((2, 3), bool)
    crowd[0, 1] = True
    found = panoptic_branch.losses(model(spatial_ranking=Ranking()), {}, levels, None, batch(is_crowd=crowd), True)
    assert (found["semantic_loss"][1], found["ranking_loss"][1]) == (2 * 8 * 12, 4)


def test_necks_and_networks_of_the_heads_own():
    bottom, levels = {"P2": tf.zeros((2, *CELLS, 3))}, {"P2": tf.ones((2, *CELLS, 3))}

    def plus_two(levels, training):
        return {name: value + 2 for name, value in levels.items()}

    def network(images, training):
        return {"P2": tf.cast(images[:, ::4, ::4], "float32") + 10}

    for parts, value in (
        ({}, 1),
        ({"semantic_necks": [plus_two, plus_two]}, 4),
        ({"semantic_backbone": network}, 10),
        ({"semantic_backbone": network, "semantic_necks": [plus_two]}, 12),
    ):
        whole = model(**parts)
        assert panoptic_branch.outputs(whole, bottom, levels, {}, batch())["semantic"].shape == (2, *CELLS)
        np.testing.assert_array_equal(whole.semantic_head.seen["P2"], np.full((2, *CELLS, 3), value))


def test_detections_below_the_threshold_are_not_ranked():
    inputs, ranking = batch(), Ranking()
    found = {
        "boxes": inputs["boxes"],
        "classes": inputs["classes"],
        "scores": tf.constant([[0.9, 0.8, 0.0], [0.9, 0.3, 0.0]]),
        "valid": inputs["classes"] > 0,
        "masks": tf.ones((2, 3, 28, 28)),
    }
    scores = panoptic_branch.rank(ranking, found, inputs, 0.5).numpy()
    assert ranking.seen[0].sum() == 32 and ranking.seen[1].sum() == 16
    first, second = 1 / (1 + np.exp(-1.0)), 1 / (1 + np.exp(-2.0))  # alone in a cell, beside an absent class
    both = 1 / (1 + np.exp(1.0)), 1 / (1 + np.exp(-1.0))  # where both are
    expected = [(12 * first + 4 * both[0]) / 16, (12 * second + 4 * both[1]) / 16]
    np.testing.assert_allclose(scores[0], [*expected, 0], rtol=1e-5)
    np.testing.assert_allclose(scores[1], [first, 0, 0], rtol=1e-5)
