import numpy as np
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from panet_tf.ops.mask_proposal_cells import cell_centers, match_cells, scale_of_objects, within_boxes

SIZES = {"P2": (12, 16), "P3": (6, 8), "P4": (3, 4)}
SCALES = ((8, 16, 32), (11.3, 22.6, 45.3))


def slow_match(boxes, valid, radius):
    """The rule cell by cell and object by object."""
    matched = []
    for kind in SCALES:
        for (name, (height, width)), size in zip(SIZES.items(), kind):
            stride = 2 ** int(name[1:])
            for y in range(height):
                for x in range(width):
                    best, chosen = np.inf, -1
                    for n, (y0, x0, y1, x1) in enumerate(boxes):
                        longer = np.log(max(y1 - y0, x1 - x0))
                        nearest = min(abs(longer - np.log(other)) for other in np.ravel(SCALES))
                        dy, dx = ((y0 + y1) / 2 / stride - y - 0.5, (x0 + x1) / 2 / stride - x - 0.5)
                        of_scale = abs(abs(longer - np.log(size)) - nearest) < 1e-9
                        if valid[n] and of_scale and max(abs(dy), abs(dx)) <= radius and dy**2 + dx**2 < best:
                            best, chosen = dy**2 + dx**2, n
                    matched.append(chosen)
    return np.array(matched)


@settings(deadline=None, max_examples=25)
@given(seed=st.integers(0, 10**6), radius=st.sampled_from([0.5, 1.0, 1.5]))
def test_cells_are_matched_as_by_the_slow_rule(seed, radius):
    rng = np.random.default_rng(seed)
    sides = np.exp(rng.uniform(np.log(5), np.log(60), (7, 2)))
    corner = rng.uniform(-8, 56, (7, 2))
    boxes = np.float32(np.concatenate([corner, corner + sides], axis=1))
    boxes[3] = boxes[2] + 0.1  # two objects that want the same cells
    valid = rng.random(7) < 0.8
    found = match_cells(tf.constant(boxes[None]), tf.constant(valid[None]), SIZES, SCALES, radius)[0].numpy()
    expected = slow_match(np.float64(boxes), valid, radius)
    different = np.flatnonzero(found != expected)
    assert len(different) <= 1  # a distance or a size that float32 rounds to the other side of a boundary
    assert found.max() >= 0 or not valid.any() or (expected < 0).all()


def test_an_object_in_the_middle_of_a_cell_has_nine_and_of_a_corner_four():
    boxes = tf.constant([[[22.0, 22.0, 30.0, 30.0], [12.0, 40.0, 20.0, 48.0]]])  # sides 8: P2, cell centres at 4 i + 2
    matched = match_cells(boxes, tf.constant([[True, True]]), SIZES, SCALES)[0].numpy()
    first = matched[: 12 * 16].reshape(12, 16)
    assert (first[5:8, 5:8] == 0).all() and (first == 0).sum() == 9
    assert (first[3:5, 10:12] == 1).all() and (first == 1).sum() == 4
    assert (matched[12 * 16 :] == -1).all()


def test_centers_scales_and_points_in_boxes():
    centers, strides = cell_centers({"P2": (1, 2), "P4": (2, 1)})
    np.testing.assert_array_equal(centers, [[2, 2], [2, 6], [8, 8], [24, 8]])
    np.testing.assert_array_equal(strides, [4, 4, 16, 16])
    boxes = tf.constant([[0.0, 0, 10, 40], [0, 0, 0, 0], [0, 0, 21, 22.5], [0, 0, 700, 9]])
    np.testing.assert_array_equal(scale_of_objects(boxes, [16, 32, 64]), [1, 0, 0, 2])
    inside = within_boxes(centers, tf.constant([[[0.0, 0, 3, 3], [0, 0, 0, 0]], [[7, 7, 9, 9], [20, 8, 30, 9]]]))
    np.testing.assert_array_equal(inside, [[True, False, False, False], [False, False, True, True]])
