import numpy as np
import pytest
import tensorflow as tf

from panet_tf.necks.resizing import cut_to_size, twice_as_large


@pytest.mark.parametrize("size", [(6, 8), (5, 8), (6, 7), (5, 7)])
@pytest.mark.parametrize("known", [True, False])
def test_every_cell_lies_over_four_of_the_finer_level(size, known):
    rng = np.random.default_rng(0)
    x, like = rng.normal(size=(2, 3, 4, 5)).astype("float32"), np.zeros((2, *size, 1), "float32")
    shape = (None, *size, 1) if known else (None, None, None, 1)
    function = tf.function(twice_as_large, input_signature=[tf.TensorSpec(x.shape), tf.TensorSpec(shape)])
    found = function(x, like).numpy()
    assert found.shape == (2, *size, 5)
    for row in range(size[0]):
        for column in range(size[1]):
            np.testing.assert_array_equal(found[:, row, column], x[:, row // 2, column // 2])


def test_a_level_of_the_right_size_is_left_alone():
    x = tf.zeros((1, 4, 4, 2))
    assert cut_to_size(x, tf.zeros((1, 4, 4, 3))) is x
