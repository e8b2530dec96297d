"""Panoptic overlays: which colours, where lines run, and what the legend names."""

import numpy as np
import pytest

from panet_tf.visualization.legend import draw_legend
from panet_tf.visualization.panoptic import boundaries, category_colors, draw_panoptic

CATEGORIES = (
    {"id": 9, "name": "sky", "isthing": 0, "color": [0, 0, 250]},
    {"id": 4, "name": "cell", "isthing": 1},
    {"id": 70, "name": "never seen", "isthing": 1},
)
IMAGE = np.full((40, 60, 3), 100, "uint8")


@pytest.fixture
def labels():
    labels = np.zeros((40, 60), "int64")
    labels[:20], labels[25:, :20], labels[25:, 20:40] = 70000, 5, 6
    return labels


SEGMENTS = [{"id": 70000, "category_id": 9}, {"id": 5, "category_id": 4}, {"id": 6, "category_id": 4}]


def test_tints_shades_and_void(labels):
    before = IMAGE.copy()
    picture = draw_panoptic(IMAGE, labels, SEGMENTS, categories=CATEGORIES, alpha=0.5, boundary=0, legend=False)
    np.testing.assert_array_equal(IMAGE, before)
    own = category_colors(CATEGORIES)
    np.testing.assert_array_equal(own[0], [0, 0, 250])
    assert (picture[:20] == (50, 50, 175)).all()
    np.testing.assert_allclose(picture[30, 10], (100 + own[1].astype(int)) / 2, atol=1)
    assert (picture[20:25] == 100).all() and (picture[25:, 40:] == 100).all()  # void
    first, second = picture[30, 10].astype(int), picture[30, 30].astype(int)
    assert (second >= first).all() and (second > first).any()  # the second cell is lighter


def test_lines_between_segments(labels):
    picture = draw_panoptic(IMAGE, labels, SEGMENTS, categories=CATEGORIES, legend=False)
    white = (picture == 255).all(axis=-1)
    assert white[19].all() and not white[:19].any()
    assert white[25:39, 19].all() and white[25:39, 39].all()
    np.testing.assert_array_equal(white, boundaries(labels))
    assert boundaries(labels, 2).sum() > 2.5 * white.sum()


def test_the_legend_names_what_is_seen(labels, monkeypatch):
    drawn = {}

    def keep(names, colors, **kwargs):
        drawn.update(zip(names, map(tuple, colors.tolist())))
        return draw_legend(names, colors, **kwargs)

    monkeypatch.setattr("panet_tf.visualization.panoptic.draw_legend", keep)
    own = [tuple(color) for color in category_colors(CATEGORIES).tolist()]
    picture = draw_panoptic(IMAGE, labels, SEGMENTS, categories=CATEGORIES, scale="auto")
    assert list(drawn.items()) == [("cell (2)", own[1]), ("sky", own[0])]
    assert picture.shape[0] == 40 * 13 and picture.shape[1] > 60 * 13 + 60
    drawn.clear()
    crowd = [*SEGMENTS[:1], {**SEGMENTS[1], "iscrowd": 1}, {**SEGMENTS[2], "id": 8}]  # 8 has no pixel
    draw_panoptic(IMAGE, labels, crowd, categories=CATEGORIES)
    assert list(drawn) == ["cell (crowd)", "sky"]


def test_nothing_found():
    picture = draw_panoptic(IMAGE, np.zeros((40, 60), int), [], categories=CATEGORIES)
    np.testing.assert_array_equal(picture[:, :60], IMAGE)


def test_what_does_not_fit(labels):
    with pytest.raises(ValueError, match=r"image's size \(40, 60\), received \(39, 60\)"):
        draw_panoptic(IMAGE, labels[1:], SEGMENTS, categories=CATEGORIES)
    with pytest.raises(ValueError, match="category id 5"):
        draw_panoptic(IMAGE, labels, [{"id": 5, "category_id": 5}], categories=CATEGORIES)


def test_a_legend_in_columns():
    colors = np.array([[255, 0, 0], [0, 255, 0], [0, 0, 255]], "uint8")
    one, three = (draw_legend(["a", "bb", "ccc"], colors, height=height) for height in (200, 24))
    assert one.shape[0] == 200 and three.shape[0] == 24 and three.shape[1] > 2 * one.shape[1]
    for color in colors:
        assert (one == color).all(axis=-1).any() and (three == color).all(axis=-1).any()
    assert draw_legend([], colors[:0], height=10).shape == (10, 1, 3)
