"""Connected regions beside a flood fill in NumPy, and the shapes that are hard for label propagation."""

import numpy as np
import pytest
import tensorflow as tf

from panet_tf.ops.connected_components import connected_components


def flood_fill(labels, diagonal):
    """Slow twin: a stack and a loop over cells."""
    steps = [(y, x) for y in (-1, 0, 1) for x in (-1, 0, 1) if (y, x) != (0, 0) and (diagonal or 0 in (y, x))]
    regions = np.full(labels.shape, -1)
    for first in np.ndindex(labels.shape):
        if labels[first] < 0 or regions[first] >= 0:
            continue
        regions[first], stack = np.ravel_multi_index(first, labels.shape), [first]
        while stack:
            cell = stack.pop()
            for step in steps:
                other = cell[0] + step[0], cell[1] + step[1]
                if not (0 <= other[0] < labels.shape[0] and 0 <= other[1] < labels.shape[1]):
                    continue
                if labels[other] == labels[cell] and regions[other] < 0:
                    regions[other] = regions[first]
                    stack.append(other)
    return regions


def spiral(side):
    """One region that winds inwards, a wall of background between its arms."""
    labels = np.full((side, side), -1)
    y, x, step, length = 0, 0, (0, 1), side - 1
    labels[0, 0] = 3
    for turn in range(side):
        for _ in range(length):
            y, x = y + step[0], x + step[1]
            labels[y, x] = 3
        step = step[1], -step[0]
        length -= 2 if turn % 2 == 0 and turn > 0 else 0
        if length <= 0:
            break
    return labels


@pytest.mark.parametrize("diagonal", [True, False])
def test_regions_are_those_of_a_flood_fill(diagonal):
    rng = np.random.default_rng(0)
    run = tf.function(lambda x: connected_components(x, diagonal=diagonal), autograph=False)
    maps = [rng.integers(-1, labels, (23, 17)) for labels in (1, 2, 3, 4)]
    maps += [np.full((23, 17), -1), np.full((23, 17), 7), np.pad(spiral(17), ((0, 6), (0, 0)), constant_values=-1)]
    for labels in maps:
        np.testing.assert_array_equal(run(tf.constant(labels, tf.int32)), flood_fill(labels, diagonal))


def test_a_long_way_takes_few_rounds_compiled_too():
    labels = spiral(101)
    assert (labels >= 0).sum() > 5000
    run = tf.function(connected_components, jit_compile=True, autograph=False)
    regions = run(tf.constant(labels, tf.int32)).numpy()
    np.testing.assert_array_equal(regions, np.where(labels >= 0, 0, -1))


def test_maps_of_any_size():
    run = tf.function(connected_components, autograph=False, input_signature=[tf.TensorSpec((None, None), tf.int32)])
    assert run(np.array([[5, 5, -1, 5]], "int32")).numpy().tolist() == [[0, 0, -1, 3]]
