"""The logistic loss of proposals."""

import numpy as np
import pytest
import tensorflow as tf

from panet_tf.losses.soft_margin import soft_margin_loss


def test_it_is_the_mean_over_examples_that_count():
    rng = np.random.default_rng(0)
    logits = (10 * rng.standard_normal((4, 3, 5))).astype("float32")
    labels, weights = rng.integers(0, 2, (4, 3, 5)), np.float32([1, 0, 1, 1])
    wanted = [
        np.log1p(np.exp(-(1 if labels[i, y, x] else -1) * float(logits[i, y, x])))
        for i in (0, 2, 3)
        for y in range(3)
        for x in range(5)
    ]
    total, count = soft_margin_loss(logits, labels, weights)
    assert float(count) == 45
    assert float(total) == pytest.approx(sum(wanted), rel=1e-5)
    # of scores
    total, count = soft_margin_loss(logits[:, 0, 0], labels[:, 0, 0], weights)
    assert float(count) == 3 and float(total) == pytest.approx(wanted[0] + wanted[15] + wanted[30], rel=1e-5)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_extremes_and_nothing(dtype):
    logits = tf.Variable(tf.cast([[500.0], [-500.0], [float("inf")], [0.0]], dtype))
    with tf.GradientTape() as tape:
        total, count = soft_margin_loss(logits, [[1], [0], [0], [1]], [1.0, 1.0, 0.0, 0.0])
    assert (float(total), float(count)) == (0.0, 2.0)
    assert np.isfinite(np.asarray(tape.gradient(total, logits), "float32")).all()
    total, count = soft_margin_loss(logits, [[0], [1], [0], [1]], [1.0, 1.0, 0.0, 0.0])
    assert float(total) == pytest.approx(1000.0, rel=0.01)
    total, count = soft_margin_loss(logits, [[0]] * 4, [0.0] * 4)
    assert (float(total), float(count)) == (0.0, 0.0)
