import numpy as np
import pytest
import tensorflow as tf

from panet_tf.data import host_calls
from panet_tf.data.host_calls import host_call


def test_arrays_go_in_and_come_out_inside_a_data_set():
    def halves(number):
        return [np.arange(number, dtype=np.float32) / 2, np.int64(number)]

    dataset = tf.data.Dataset.range(4).map(lambda i: tuple(host_call(halves, [i], [tf.float32, tf.int64])))
    for expected, (array, number) in enumerate(dataset.as_numpy_iterator()):
        np.testing.assert_array_equal(array, np.arange(expected) / 2)
        assert number == expected


def test_an_error_reaches_the_reader_and_leaves_no_call_counted():
    def fails(number):
        raise ValueError(f"no {number}")

    with pytest.raises(tf.errors.OpError, match="no 0"):
        list(tf.data.Dataset.range(1).map(lambda i: host_call(fails, [i], tf.int64)))
    assert host_calls._running == 0
