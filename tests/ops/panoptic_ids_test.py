"""Segment ids as colours: the formula, the way back, and what is no picture of ids."""

import numpy as np
import pytest
import tensorflow as tf

from panet_tf.ops.panoptic_ids import ids_to_rgb, rgb_to_ids


def test_the_formula():
    rgb = np.random.default_rng(0).integers(0, 256, (5, 7, 3)).astype("uint8")
    red, green, blue = rgb.astype(int).transpose(2, 0, 1)
    ids = rgb_to_ids(rgb)
    assert ids.dtype == np.int32
    np.testing.assert_array_equal(ids, red + 256 * green + 65536 * blue)
    np.testing.assert_array_equal(rgb_to_ids(tf.constant(rgb)), ids)


@pytest.mark.parametrize("dtype", ["int32", "int64", "uint32", "uint16", ">i4"])
def test_the_way_back(dtype):
    ids = np.random.default_rng(1).integers(0, 2**15 if dtype == "uint16" else 2**24, (11, 13)).astype(dtype)
    rgb = ids_to_rgb(ids.T)  # not contiguous
    assert rgb.dtype == np.uint8 and rgb.shape == (13, 11, 3)
    np.testing.assert_array_equal(rgb_to_ids(rgb), ids.T)


def test_tensors_agree_in_a_compiled_graph():
    ids = np.array([[0, 1, 255, 256], [65535, 65536, 2**24 - 1, 70000]], "int32")
    compiled = tf.function(lambda x: (ids_to_rgb(x), rgb_to_ids(ids_to_rgb(x))), jit_compile=True)
    rgb, back = compiled(tf.constant(ids))
    np.testing.assert_array_equal(rgb, ids_to_rgb(ids))
    np.testing.assert_array_equal(back, ids)


@pytest.mark.parametrize("ids, rule", [([1.0], "integers"), ([-1], "0..16777215"), ([2**24], "0..16777215")])
def test_ids_without_a_colour(ids, rule):
    with pytest.raises(ValueError, match=rule):
        ids_to_rgb(np.array(ids))


def test_pictures_without_ids():
    for picture in (np.zeros((4, 4), "uint8"), np.zeros((4, 4, 4), "uint8"), np.zeros((4, 4, 3), "uint16")):
        with pytest.raises(ValueError, match=r"uint8 \(\.\.\., 3\)"):
            rgb_to_ids(picture)
