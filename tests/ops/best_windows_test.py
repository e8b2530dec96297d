"""The best windows, whether there are more of them than slots, fewer, or a number not known while tracing."""

import numpy as np
import pytest
import tensorflow as tf

from panet_tf.ops.best_windows import best_windows


@pytest.mark.parametrize("length", [1, 5, 8, 20])
def test_slots_hold_the_best_and_the_rest_is_empty(length):
    scores = np.random.default_rng(length).integers(0, 6, (2, length)).astype("float32")  # with ties
    scores[1, ::2] = -np.inf
    order = np.argsort(-scores, axis=1, kind="stable")[:, :8]
    traced = tf.function(lambda values: best_windows(values, 8), input_signature=[tf.TensorSpec((None, None))])
    for found, indices in (best_windows(tf.constant(scores), 8), traced(scores)):
        assert found.shape == indices.shape == (2, 8)
        wanted = np.full((2, 8), -np.inf)
        wanted[:, : order.shape[1]] = np.take_along_axis(scores, order, 1)
        np.testing.assert_array_equal(found, wanted)
        np.testing.assert_array_equal(indices[:, : order.shape[1]], order)
        assert 0 <= indices.numpy().min() and indices.numpy().max() < length
    assert traced.get_concrete_function().structured_outputs[0].shape[1] == 8
