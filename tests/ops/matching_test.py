"""Matching against torchvision's results, against the definition, and with nothing to match."""

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from panet_tf.ops.matching import match


def slow_match(iou, valid, positive, negative, force, ignored):
    """The definition, one anchor at a time."""
    number = iou.shape[1]
    indices, labels = np.zeros(number, int), np.zeros(number, int)
    slots = [n for n in range(len(iou)) if valid[n]]
    for a in range(number):
        if slots:
            best = max(iou[n, a] for n in slots)
            if best > 0:
                indices[a] = next(n for n in slots if iou[n, a] == best)
            labels[a] = 1 if best >= positive else (0 if best < negative else -1)
    for n in slots if force else ():
        usable = [a for a in range(number) if not ignored[a]]
        best = max((iou[n, a] for a in usable), default=0)
        if best > 0:
            labels[[a for a in usable if iou[n, a] == best]] = 1
    labels[ignored] = -1
    return indices, labels


@settings(deadline=None, max_examples=50)
@given(
    seed=st.integers(0, 2**32 - 1),
    force=st.booleans(),
    thresholds=st.sampled_from([(0.7, 0.3), (0.5, 0.5), (0.5, 0.4)]),
)
def test_matching_equals_its_definition(seed, force, thresholds):
    rng = np.random.default_rng(seed)
    iou = rng.integers(0, 11, (2, 3, 9)).astype(np.float32) / 10  # tenths: ties and values at the thresholds
    iou *= rng.random((2, 1, 9)) < 0.7
    valid, ignored = rng.random((2, 3)) < 0.7, rng.random((2, 9)) < 0.2
    positive, negative = (float(np.float32(t)) for t in thresholds)
    indices, labels = match(
        iou, valid, positive_threshold=positive, negative_threshold=negative, force=force, ignored=tf.constant(ignored)
    )
    for image in range(2):
        expected = slow_match(iou[image], valid[image], positive, negative, force, ignored[image])
        np.testing.assert_array_equal(indices[image], expected[0])
        np.testing.assert_array_equal(labels[image], expected[1])


@pytest.mark.golden
@pytest.mark.parametrize(
    ("name", "positive", "negative", "force"),
    [
        ("match_rpn_07_03_low_quality", 0.7, 0.3, True),
        ("match_roi_05_05", 0.5, 0.5, False),
        ("match_retinanet_05_04_low_quality", 0.5, 0.4, True),
    ],
)
@pytest.mark.parametrize("jit_compile", [False, True])
def test_matching_equals_torchvision(golden, name, positive, negative, force, jit_compile):
    values = golden("losses")
    iou, expected = values["iou_gt_by_anchor"], values[name]

    @tf.function(jit_compile=jit_compile, autograph=False)
    def run(iou):
        return match(
            iou, tf.ones(iou.shape[:1], tf.bool), positive_threshold=positive, negative_threshold=negative, force=force
        )

    indices, labels = (value.numpy() for value in run(tf.constant(iou)))
    # torchvision: the index of the box, or -1 below the low threshold, or -2 between the two.
    np.testing.assert_array_equal(np.where(labels == 1, indices, np.where(labels == 0, -1, -2)), expected)


@pytest.mark.parametrize("slots", [0, 3])
def test_without_boxes_every_anchor_is_negative(slots):
    for negative in (0.3, 0.0):
        indices, labels = match(
            tf.ones((2, slots, 5)),
            tf.zeros((2, slots), tf.bool),
            positive_threshold=0.7,
            negative_threshold=negative,
            force=True,
        )
        np.testing.assert_array_equal(indices, np.zeros((2, 5)))
        np.testing.assert_array_equal(labels, np.zeros((2, 5)))


def test_forced_anchor_keeps_its_own_best_box():
    iou = tf.constant([[0.6, 0.1], [0.4, 0.0]])  # both boxes like anchor 0 best; it likes box 0
    indices, labels = match(iou, [True, True], positive_threshold=0.7, negative_threshold=0.3, force=True)
    assert labels.numpy().tolist() == [1, 0] and indices.numpy()[0] == 0


def test_thresholds_out_of_order_are_refused():
    with pytest.raises(ValueError, match="0.3 and 0.7|0.7 and 0.3"):
        match(tf.ones((1, 1)), [True], positive_threshold=0.3, negative_threshold=0.7)
