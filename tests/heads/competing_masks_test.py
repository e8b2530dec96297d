"""Masks of competing classes against a softmax written out."""

import numpy as np
import pytest
import tensorflow as tf

from panet_tf.heads.competing_masks import check_activation, competing_logits
from panet_tf.losses.mask import mask_loss

LOGITS = np.random.default_rng(0).standard_normal((3, 2, 2, 5)).astype("float32") * 3
SOFTMAX = np.exp(LOGITS.astype("float64"))
SOFTMAX /= SOFTMAX.sum(-1, keepdims=True)


def test_sigmoids_are_the_softmax():
    np.testing.assert_allclose(tf.sigmoid(competing_logits(LOGITS)), SOFTMAX[..., 1:], atol=1e-6)
    classes = np.array([2, 4, 1])
    found = tf.sigmoid(competing_logits(LOGITS, classes=classes))
    np.testing.assert_allclose(found, SOFTMAX[np.arange(3), :, :, classes], atol=1e-6)
    both = tf.sigmoid(competing_logits(LOGITS[..., :2], class_agnostic=True, classes=classes, with_background=True))
    np.testing.assert_allclose(tf.reduce_sum(both, -1), 1.0, atol=1e-6)  # of one class and background


def test_the_loss_is_the_multinomial_cross_entropy():
    classes, targets = np.array([[2, 4, 1]]), np.random.default_rng(1).random((1, 3, 2, 2)).astype("float32")
    weights = np.float32([[1, 0.5, 0]])
    with tf.GradientTape() as tape:
        raw = tf.constant(LOGITS)
        tape.watch(raw)
        both = competing_logits(raw, classes=classes, with_background=True)
        total, count = mask_loss(both[None], targets, weights)
    log = np.log(SOFTMAX)
    entropy = [-(t * log[i, ..., c] + (1 - t) * log[i, ..., 0]) for i, (c, t) in enumerate(zip(classes[0], targets[0]))]
    np.testing.assert_allclose(total, entropy[0].sum() + 0.5 * entropy[1].sum(), rtol=1e-5)
    assert float(count) == 1.5 * 4
    shares = np.zeros_like(SOFTMAX)
    for i, c in enumerate(classes[0]):
        shares[i, ..., c], shares[i, ..., 0] = targets[0, i], 1 - targets[0, i]
    expected = (SOFTMAX - shares) * weights[0][:, None, None, None]
    np.testing.assert_allclose(tape.gradient(total, raw), expected, atol=1e-5)


def test_unknown_activations_are_refused():
    with pytest.raises(ValueError, match="received 'relu'"):
        check_activation("relu")
