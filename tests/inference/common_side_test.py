"""Maps of several sizes on the grid of the largest."""

import numpy as np

from panet_tf.inference.common_side import common_side


def ramp(cells):
    """Maps (3, m, m, 2) that rise from left to right with the place of each cell's centre, the second twice as fast."""
    line = (np.arange(cells) + 0.5) / cells
    return np.tile(line[:, None] * (1, 2), (3, cells, 1, 1))


def test_smaller_maps_are_resized_between_their_cell_centres():
    stack = common_side([ramp(4), ramp(8)])
    assert stack.shape == (2, 3, 8, 8, 2) and stack.dtype == "float32"
    np.testing.assert_array_equal(stack[1], ramp(8).astype("float32"))
    np.testing.assert_allclose(stack[0][:, :, 1:-1], ramp(8)[:, :, 1:-1], atol=1e-6)
    # Outside of the first and last centres the border cells go on.
    np.testing.assert_allclose(stack[0][:, :, [0, -1], 0], np.broadcast_to((0.125, 0.875), (3, 8, 2)), atol=1e-6)


def test_no_maps_and_equal_shapes_of_any_kind():
    assert common_side([np.zeros((0, 4, 4)), np.zeros((0, 8, 8))]).shape == (2, 0, 8, 8)
    assert common_side([np.zeros((2, 3)), np.ones((2, 3))]).shape == (2, 2, 3)
