"""The semantic loss beside the formula, its ignored pixels, and images without a label."""

import numpy as np
import tensorflow as tf

from panet_tf.losses.semantic import semantic_loss


def scene():
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 4, (3, 5, 6))
    labels[rng.uniform(size=labels.shape) < 0.3] = 255
    labels[2] = 255
    return rng.normal(size=(3, 5, 6, 4)).astype("float32"), labels


def test_only_labelled_pixels_count():
    logits, labels = scene()
    pixels = [(place, label) for place, label in np.ndenumerate(labels) if label != 255]
    expected = sum(np.log(np.exp(logits[place]).sum()) - logits[place][label] for place, label in pixels)
    total, count = semantic_loss(tf.constant(logits), tf.constant(labels, tf.int32))
    np.testing.assert_allclose(total, expected, rtol=1e-5)  # float32
    assert count == len(pixels) < labels.size
    halved, half = semantic_loss(logits, labels, weights=[1.0, 0.0, 1.0])
    alone, number = semantic_loss(logits[:1], labels[:1])
    assert half == number and np.allclose(halved, alone)


def test_nothing_labelled_gives_zero_and_ignored_pixels_no_gradient():
    logits, labels = scene()
    logits[0, 0, 0] = np.inf  # may come from anywhere outside the image
    labels[0, 0, 0] = 255
    x = tf.constant(logits)
    with tf.GradientTape() as tape:
        tape.watch(x)
        total, _ = semantic_loss(x, labels)
    gradient = tape.gradient(total, x).numpy()
    assert np.isfinite(total) and not gradient[2].any() and gradient[1].any()
    assert [float(value) for value in semantic_loss(x[2:], labels[2:])] == [0, 0]


def test_a_label_that_is_no_class_is_ignored():
    logits, labels = scene()
    beyond = np.where(labels == 3, 9, labels)
    assert semantic_loss(logits, beyond)[1] == (labels < 3).sum()
