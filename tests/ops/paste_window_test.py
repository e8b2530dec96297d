"""Pasting one mask into its window against the rule spelt out pixel by pixel."""

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from panet_tf.ops.paste_window import paste_window


def pasted_slowly(mask, box, height, width):
    """Bilinear at pixel centres, zero outside the mask's cells: one pixel and one cell at a time."""
    image = np.zeros((height, width))
    y0, x0, y1, x1 = box
    for i in range(height):
        for j in range(width):
            if not (y0 <= i + 0.5 <= y1 and x0 <= j + 0.5 <= x1):
                continue
            y = (i + 0.5 - y0) / (y1 - y0) * mask.shape[0] - 0.5
            x = (j + 0.5 - x0) / (x1 - x0) * mask.shape[1] - 0.5
            for a in range(mask.shape[0]):
                for b in range(mask.shape[1]):
                    image[i, j] += mask[a, b] * max(0, 1 - abs(y - a)) * max(0, 1 - abs(x - b))
    return image


@settings(deadline=None, max_examples=40)
@given(
    box=st.tuples(st.floats(-10, 16), st.floats(-10, 20), st.floats(0.1, 25), st.floats(0.1, 25)),
    seed=st.integers(0, 1000),
)
def test_window_lies_where_the_slow_rule_puts_it(box, seed):
    y, x, h, w = box
    mask = np.random.default_rng(seed).random((5, 4))
    window, top, left = paste_window(mask, (y, x, y + h, x + w), (12, 15))
    image = np.zeros((12, 15))
    image[top : top + window.shape[0], left : left + window.shape[1]] = window
    np.testing.assert_allclose(
        image, pasted_slowly(mask, (y, x, y + h, x + w), 12, 15), atol=1e-4
    )  # float32, 25 px / 4


@pytest.mark.parametrize("box", [(2, 2, 2, 9), (5, 5, 1, 1), (np.nan, 0, 4, 4), (0, 0, np.inf, 4), (90, 90, 99, 99)])
def test_boxes_without_pixels_give_empty_windows(box):
    window, top, left = paste_window(np.ones((28, 28)), box, (10, 10))
    assert window.size == 0
    assert 0 <= top <= 10 and 0 <= left <= 10


def test_ones_fill_the_box():
    window, top, left = paste_window(np.ones((28, 28)), (3, 2, 9, 12), (20, 20))
    assert (top, left, window.shape) == (3, 2, (6, 10))
    assert (window >= 0.5).all()


def pasted_in_whole_pixels(mask, box, height, width):
    """torchvision's steps one by one: a ring of zeros, a larger box of whole pixels, resizing, cropping."""
    cells = mask.shape[0]
    ringed = np.pad(mask, 1)
    y0, x0, y1, x1 = np.float32(box)
    (yc, xc), (h, w) = ((y1 + y0) * 0.5, (x1 + x0) * 0.5), ((y1 - y0) * 0.5, (x1 - x0) * 0.5)
    grown = np.float32((cells + 2) / cells)
    top, left = int(yc - h * grown), int(xc - w * grown)
    bottom, right = int(yc + h * grown), int(xc + w * grown)
    size = (max(bottom - top + 1, 1), max(right - left + 1, 1))
    resized = tf.image.resize(ringed[..., None], size)[..., 0].numpy()
    image = np.zeros((height, width), "float32")
    rows = slice(max(top, 0), min(bottom + 1, height))
    columns = slice(max(left, 0), min(right + 1, width))
    image[rows, columns] = resized[rows.start - top : rows.stop - top, columns.start - left : columns.stop - left]
    return image


@settings(deadline=None, max_examples=40)
@given(
    box=st.tuples(st.floats(0, 10), st.floats(0, 13), st.floats(0.1, 12), st.floats(0.1, 15)),
    seed=st.integers(0, 1000),
)
def test_whole_pixels_follow_the_older_steps(box, seed):
    y, x, h, w = box
    box = (y, x, min(y + h, 12), min(x + w, 15))  # detections are clipped
    mask = np.random.default_rng(seed).random((6, 6)).astype("float32")
    low, high = np.float32(box[:2]), np.float32(box[2:])
    for rule, last in ((True, box), ("inclusive", (*low, *np.maximum(high - np.float32(1), low)))):
        window, top, left = paste_window(mask, box, (12, 15), whole_pixels=rule)
        image = np.zeros((12, 15), "float32")
        image[top : top + window.shape[0], left : left + window.shape[1]] = window
        np.testing.assert_allclose(image, pasted_in_whole_pixels(mask, last, 12, 15), atol=1e-5)
