"""Box outlines, and where labels go."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from panet_tf.visualization.boxes import draw_boxes, draw_labels
from panet_tf.visualization.colors import instance_colors


def test_the_outline_lies_inside_the_box():
    image = draw_boxes(np.zeros((20, 30, 3), "uint8"), [[4, 5, 10, 17]], [[255, 0, 0]])
    expected = np.zeros((20, 30), bool)
    expected[4:10, 5:17] = True
    expected[5:9, 6:16] = False
    np.testing.assert_array_equal(image[..., 0] > 0, expected)
    image = draw_boxes(np.zeros((20, 30, 3), "uint8"), [[4, 5, 10, 17]], [[255, 0, 0]], width=2)
    assert image[..., 0].astype(bool).sum() == 6 * 12 - 2 * 8


@settings(deadline=None, max_examples=40)
@given(box=st.lists(st.floats(-1e6, 1e6) | st.just(float("nan")), min_size=4, max_size=4), width=st.integers(1, 4))
def test_no_box_is_a_trouble_and_none_leaves_its_bounds(box, width):
    image = draw_boxes(np.zeros((20, 30, 3), "uint8"), [box], [[255, 255, 255]], width=width)
    rows, columns = np.nonzero(image[..., 0])
    assert not (np.isnan(box).any() and rows.size)
    if rows.size:
        assert rows.min() >= np.floor(box[0]) - 1 and rows.max() <= box[2] + 1
        assert columns.min() >= np.floor(box[1]) - 1 and columns.max() <= box[3] + 1
    draw_labels(image, [box], [("cat 0.90",)], [[255, 255, 255]])


def grounds(image, colors):
    """Boxes yxyx of the labels, found by their colours."""
    found = []
    for color in colors:
        rows, columns = np.nonzero((image == color).all(-1))
        if rows.size:
            found.append((rows.min(), columns.min(), rows.max() + 1, columns.max() + 1))
    return found


def test_labels_cover_neither_each_other_nor_the_objects():
    rng = np.random.default_rng(0)
    corners = rng.uniform(0, 380, (60, 2))
    boxes = np.concatenate([corners, corners + rng.uniform(8, 40, (60, 2))], axis=1)
    colors = instance_colors(60)
    image = np.full((400, 400, 3), 7, "uint8")
    written = draw_labels(image, boxes, [("nucleus 0.50", ".50")] * 60, colors)
    assert {"nucleus 0.50", ".50"} <= set(written)
    placed = grounds(image, colors)
    assert len(placed) == sum(text is not None for text in written)
    cover = np.zeros((400, 400), int)
    for y0, x0, y1, x1 in placed:
        cover[y0:y1, x0:x1] += 1
    assert cover.max() == 1
    for y0, x0, y1, x1 in np.round(boxes).astype(int):
        for a, b, c, d in placed:
            shared = max(0, min(y1, c) - max(y0, a)) * max(0, min(x1, d) - max(x0, b))
            assert shared <= (y1 - y0) * (x1 - x0) / 4


def test_a_lone_label_stands_above_its_box_and_below_at_the_upper_edge():
    for top, above in ((60, True), (2, False)):
        image = np.zeros((120, 200, 3), "uint8")
        assert draw_labels(image, [[top, 20, top + 30, 90]], [("cat 0.90",)], [[0, 255, 0]]) == ["cat 0.90"]
        ((y0, x0, y1, _),) = grounds(image, [(0, 255, 0)])
        assert x0 == 20
        assert y1 == top if above else y0 == top + 30


def test_a_label_too_long_for_the_picture_gives_way_to_its_short_form():
    image = np.zeros((40, 50, 3), "uint8")
    assert draw_labels(image, [[20, 5, 35, 40]], [("hippopotamus 0.90", ".90")], [[0, 255, 0]]) == [".90"]
    assert draw_labels(image, [[20, 5, 35, 40]], [()], [[0, 255, 0]]) == [None]
