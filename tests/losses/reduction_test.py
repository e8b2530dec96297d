import numpy as np
import tensorflow as tf

from panet_tf.losses.reduction import divide_by_global_count, num_replicas


def test_one_device_divides_by_its_own_count():
    assert num_replicas() == 1
    np.testing.assert_allclose(divide_by_global_count(6.0, 3), 2.0)


def test_nothing_counted_gives_zero_and_a_finite_gradient():
    x = tf.Variable(0.0)
    with tf.GradientTape() as tape:
        loss = divide_by_global_count(x * 2.0, 0)
    assert float(loss) == 0.0
    assert np.isfinite(tape.gradient(loss, x))


def test_counts_carry_no_gradient():
    x = tf.Variable(4.0)
    with tf.GradientTape() as tape:
        loss = divide_by_global_count(tf.constant(8.0), x)
    assert float(loss) == 2.0 and tape.gradient(loss, x) is None
