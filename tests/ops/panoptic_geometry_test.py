"""Maps at their original size: against exact fractions, in arrays and in graphs."""

from fractions import Fraction

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from panet_tf.ops.panoptic_geometry import to_original_size


def exact(maps, size, shown):
    """Nearest sampling in exact arithmetic, pixel by pixel."""
    rows, columns = ([(2 * i + 1) * Fraction(there, 2 * here) for i in range(here)] for here, there in zip(size, shown))
    return np.array([[maps[int(y), int(x)] for x in columns] for y in rows])


@settings(deadline=None, max_examples=40)
@given(
    size=st.tuples(st.integers(1, 90), st.integers(1, 90)),
    shown=st.tuples(st.integers(1, 120), st.integers(1, 120)),
    padding=st.tuples(st.integers(0, 8), st.integers(0, 8)),
)
def test_the_network_pixel_that_the_centre_lies_in(size, shown, padding):
    canvas = np.array(shown) + padding
    maps = np.arange(canvas.prod(), dtype="int32").reshape(canvas)
    scale = np.array(shown, "float32") / np.array(size, "float32")  # as the data give it
    expected = exact(maps, size, shown)
    given_size = np.array(size, "float32")
    found = to_original_size(maps, size=given_size, scale=scale, shown=np.array(shown, "float32"))
    assert found.dtype == np.int32
    np.testing.assert_array_equal(found, expected)
    np.testing.assert_array_equal(to_original_size(maps, size=given_size, scale=scale), expected)


def test_tensors_agree_with_arrays():
    rng = np.random.default_rng(0)
    function = tf.function(
        lambda maps, size, scale, offset, shown: to_original_size(
            maps, size=size, scale=scale, offset=offset, shown=shown, fill=-1
        )
    )
    for _ in range(6):
        maps = rng.integers(0, 99, (32, 64)).astype("int32")
        size, shown = rng.integers(20, 90, 2), rng.integers(8, 33, 2)
        scale = (shown / size * rng.uniform(0.8, 1.6, 2)).astype("float32")
        offset = np.float32([0.0, rng.integers(-5, 9)])
        inputs = [np.float32(size), scale, offset, np.float32(shown)]
        expected = to_original_size(maps, size=size, scale=scale, offset=offset, shown=shown, fill=-1)
        found = function(tf.constant(maps), *map(tf.constant, inputs))
        np.testing.assert_array_equal(found, expected)


def test_what_the_network_did_not_see_is_void():
    maps = np.ones((4, 4), "int32")
    found = to_original_size(maps, size=(8, 8), scale=(2.0, 2.0), offset=(3.0, 5.0))
    expected = np.zeros((8, 8), "int32")
    expected[3:5, 5:7] = 1
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("convert", [np.asarray, tf.constant])
def test_colours_travel_with_their_pixels(convert):
    maps = np.random.default_rng(0).integers(0, 256, (3, 5, 3)).astype("uint8")
    found = to_original_size(convert(maps), size=(6, 10), scale=(0.5, 0.5))
    np.testing.assert_array_equal(found, maps.repeat(2, 0).repeat(2, 1))
