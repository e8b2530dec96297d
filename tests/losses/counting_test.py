import numpy as np
import pytest
import tensorflow as tf

from panet_tf.losses.counting import count_true, loss_count, masked_sum

LABELS = tf.constant([[1, 0, -1], [-1, -1, -1], [0, -1, -1]])


def test_a_name_stands_for_its_count_and_a_number_is_of_each_image_that_is_no_padding():
    assert float(loss_count("sampled", LABELS, sampled=tf.constant(3), positive=tf.constant(1))) == 3
    assert float(loss_count(256, LABELS)) == 2 * 256


def test_other_names_are_refused():
    with pytest.raises(ValueError, match=r"one of \('sampled', 'positive'\), received 'foreground'"):
        loss_count("foreground", LABELS, sampled=3, positive=1)


def test_counts_carry_no_gradient():
    x = tf.constant(2.0)
    with tf.GradientTape() as tape:
        tape.watch(x)
        count = loss_count("sampled", LABELS, sampled=3 * x)
    assert tape.gradient(count, x) is None


def test_what_is_masked_may_be_infinite():
    values = tf.constant([1.0, np.inf, np.nan])
    mask = tf.constant([True, False, False])
    with tf.GradientTape() as tape:
        tape.watch(values)
        total = masked_sum(mask, values)
    assert float(total) == 1.0 and float(count_true(mask)) == 1.0
    np.testing.assert_array_equal(tape.gradient(total, values), [1, 0, 0])
