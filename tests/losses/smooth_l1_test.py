import keras
import numpy as np
import pytest
import tensorflow as tf

from panet_tf.losses.smooth_l1 import smooth_l1

VALUES = np.float32([-1e6, -40.0, -1.0, -0.2, -1e-3, 0.0, 1e-3, 1 / 9, 0.2, 1.0, 40.0, 1e6])


@pytest.mark.parametrize("beta", [1 / 9, 1 / 3, 1.0])
def test_is_huber_divided_by_beta(beta):
    expected = [float(keras.losses.huber([[0.0]], [[x]], delta=beta)[0]) / beta for x in VALUES]
    np.testing.assert_allclose(smooth_l1(VALUES, 0.0, beta), expected, rtol=1e-5)


def test_beta_zero_is_the_absolute_difference():
    np.testing.assert_array_equal(smooth_l1(VALUES, np.float32(0.5), 0), np.abs(VALUES - 0.5))


@pytest.mark.parametrize("beta", [0, 1 / 9, 1.0])
def test_gradient_is_the_clipped_difference(beta):
    values = tf.constant([-1e30, -3.0, -0.05, 0.0, 0.05, 3.0, 1e30])
    with tf.GradientTape() as tape:
        tape.watch(values)
        loss = tf.reduce_sum(smooth_l1(values, 0.0, beta))
    expected = np.clip(values / beta, -1, 1) if beta else np.sign(values)
    np.testing.assert_allclose(tape.gradient(loss, values), expected, rtol=1e-6)


def test_half_precision_is_computed_in_float32():
    loss = smooth_l1(tf.constant(800.0, tf.bfloat16), tf.constant(801.37), 1.0)
    assert loss.dtype == tf.float32
    np.testing.assert_allclose(loss, 0.87, rtol=1e-4)  # the target is not rounded to 800


def test_negative_beta_is_refused():
    with pytest.raises(ValueError, match="beta must not be negative, received -1"):
        smooth_l1(VALUES, 0.0, -1)
