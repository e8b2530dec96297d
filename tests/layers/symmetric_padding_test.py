"""Mirrored borders."""

import numpy as np
import pytest
import tensorflow as tf

from panet_tf.layers.symmetric_padding import SymmetricPadding
from tests.layer_checks import check_layer


def test_layer(tmp_path):
    x = np.random.default_rng(0).normal(size=(2, 5, 4, 3)).astype("float32")
    layer = check_layer(SymmetricPadding, {"padding": 2}, x, (2, 9, 8, 3), 0, dynamic_axes=(1, 2), tmp_path=tmp_path)
    np.testing.assert_array_equal(layer(x), np.pad(x, ((0, 0), (2, 2), (2, 2), (0, 0)), "symmetric"))
    with pytest.raises(ValueError, match="padding must be"):
        SymmetricPadding(padding=-1)


@pytest.mark.parametrize("pass_gradient", [False, True])
def test_padded_cells_pass_a_gradient_where_asked_to(pass_gradient):
    x = tf.Variable(tf.zeros((1, 3, 3, 1)))
    upstream = tf.reshape(tf.range(25.0), (1, 5, 5, 1))
    with tf.GradientTape() as tape:
        y = tf.reduce_sum(SymmetricPadding(pass_gradient=pass_gradient)(x) * upstream)
    gradient = tape.gradient(y, x).numpy()[0, ..., 0]
    wanted = upstream.numpy()[0, 1:-1, 1:-1, 0].copy()
    if pass_gradient:
        wanted[[0, -1]] += upstream.numpy()[0, [0, -1], 1:-1, 0]
        wanted[:, [0, -1]] += upstream.numpy()[0, 1:-1][:, [0, -1], 0]
        wanted[[0, 0, -1, -1], [0, -1, 0, -1]] += upstream.numpy()[0, [0, 0, -1, -1], [0, -1, 0, -1], 0]
    np.testing.assert_array_equal(gradient, wanted)
