import numpy as np
import tensorflow as tf

from panet_tf.heads.regions import flatten_regions, split_regions


def test_splitting_undoes_flattening():
    x = np.random.default_rng(0).standard_normal((2, 3, 5, 4)).astype("float32")
    flat = flatten_regions(x)
    np.testing.assert_array_equal(flat[4], x[1, 1])
    np.testing.assert_array_equal(split_regions(flat, x), x)


def test_known_sizes_stay_known_where_others_are_not():
    @tf.function(input_signature=[tf.TensorSpec((None, 3, 5, 4))])
    def traced(x):
        split = split_regions(flatten_regions(x), x)
        assert split.shape.as_list() == [None, 3, 5, 4]
        return split

    assert traced(tf.zeros((2, 3, 5, 4))).shape == (2, 3, 5, 4)
    assert traced(tf.zeros((0, 3, 5, 4))).shape == (0, 3, 5, 4)
