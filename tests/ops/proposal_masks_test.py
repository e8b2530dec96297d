"""Masks over windows, cut down to their boxes, show the same pixels."""

import numpy as np
import pytest
import tensorflow as tf

from panet_tf.ops.paste_window import paste_window
from panet_tf.ops.proposal_masks import masks_in_boxes


def pasted(found, i, size):
    window, top, left = paste_window(found["masks"][i].numpy(), found["boxes"][i].numpy(), size)
    picture = np.zeros(size, bool)
    picture[top : top + window.shape[0], left : left + window.shape[1]] = window >= 0.5
    return picture


@pytest.mark.parametrize("threshold", [0.2, 0.5])
def test_a_disc_is_pasted_where_it_was(threshold):
    """Logits that fall with the distance from a circle: what is pasted must be that circle's pixels."""
    grid, frame = 40, np.float32([12.3, -20.7, 172.3, 139.3])  # four pixels a cell
    centres = (np.arange(grid) + 0.5) / grid * 160
    centre, radius = (70.0, 86.5), 41.0
    distance = np.hypot(centres[:, None] - centre[0], centres - centre[1])
    shift = np.log(threshold / (1 - threshold))
    logits = 0.2 * (radius - distance) + shift
    found = masks_in_boxes(logits[None], frame[None], threshold=threshold, size=112)
    rows, columns = np.mgrid[:200, :160] + 0.5
    wanted = np.hypot(rows - 12.3 - centre[0], columns + 20.7 - centre[1]) <= radius
    ours = pasted(found, 0, (200, 160))
    iou = (ours & wanted).sum() / (ours | wanted).sum()
    assert iou > 0.985  # a pixel here and there on a circumference of 258 pixels around 5,281
    for grid_of in (rows, columns):
        assert abs(grid_of[ours].mean() - grid_of[wanted].mean()) < 0.05  # no half pixel off
    tight = [12.3 + 29, -20.7 + 45.5, 12.3 + 111, -20.7 + 127.5]
    np.testing.assert_allclose(found["boxes"][0], tight, atol=0.75)  # and half a cell of 82 / 111 pixels
    assert bool(found["found"][0])


def test_masks_that_reach_the_border_or_are_one_cell_or_nothing():
    logits = np.full((3, 10, 10), -3.0, "float32")
    logits[0] = 3.0
    logits[1, 4, 7] = 3.0
    frames = np.float32([[0, 0, 100, 100]] * 3)
    found = masks_in_boxes(logits, frames, threshold=0.5, size=56)
    assert found["found"].numpy().tolist() == [True, True, False]
    np.testing.assert_allclose(found["boxes"][0], [-0.91, -0.91, 100.91, 100.91], atol=0.01)
    assert pasted(found, 0, (100, 100)).all()
    # Half way to neighbours of -3 on all sides: a box of 10 pixels around (45, 75).
    np.testing.assert_allclose(found["boxes"][1], [40, 70, 50, 80], atol=0.1)
    assert np.isfinite(found["masks"]).all() and not found["masks"][2].numpy().any()
    np.testing.assert_array_equal(found["boxes"][2], 0)
    compiled = tf.function(lambda x, f: masks_in_boxes(x, f, threshold=0.5, size=56), jit_compile=True)
    for key, value in compiled(logits, frames).items():
        np.testing.assert_allclose(np.asarray(value, "float32"), np.asarray(found[key], "float32"), atol=1e-5)
