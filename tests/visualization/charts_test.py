import numpy as np
import pytest

from panet_tf.visualization.bar_chart import bar_chart
from panet_tf.visualization.dataset_charts import _per_image, _shares, dataset_charts
from panet_tf.visualization.line_chart import COLORS, _log_ticks, _of_power, line_chart
from panet_tf.visualization.proposal_curves import proposal_curves
from panet_tf.visualization.shape_gallery import COVERED, shape_gallery
from panet_tf.visualization.stacking import below_each_other


def columns(chart, color=COLORS[0], tolerance=40):
    return np.abs(chart.astype(int) - color).max(-1) <= tolerance


def test_bars_are_as_long_as_their_numbers():
    chart = bar_chart({"one": 100, "two": 50, "none": 0}, bar_height=20, title="bars")
    assert chart.shape[1:] == (520, 3)
    lengths = columns(chart).sum(axis=1)
    found = sorted({int(length) for length in lengths if length > 20})
    assert found[-1] == pytest.approx(2 * found[0], rel=0.05)
    by_logarithm = columns(bar_chart({"one": 99, "two": 9}, log=True)).sum(axis=1)
    found = sorted({int(length) for length in by_logarithm if length > 20})
    assert found[-1] == pytest.approx(2 * found[0], rel=0.05)
    for values in ({}, {"a": -1}, {"a": np.nan}):
        with pytest.raises(ValueError, match="numbers of at least 0"):
            bar_chart(values)


def test_curves_by_the_logarithm_are_straight_where_they_should_be():
    x = np.arange(1, 1001)
    chart = line_chart({"a": (x, np.log10(x))}, log_x=True, y_range=(0, 3))
    rows, places = np.nonzero(columns(chart))
    beyond = places > 200  # to the right of the legend
    line = np.polyfit(places[beyond], rows[beyond], 1)
    assert np.abs(np.polyval(line, places[beyond]) - rows[beyond]).max() < 4


def test_a_data_set_of_many_instances_an_image_is_not_all_in_the_last_place():
    few, many = np.zeros(200), np.zeros(200)
    few[[1, 2, 14, 40]] = 10, 20, 10, 10  # a fifth beyond 15
    many[[0, 22, 31, 140]] = 5, 60, 20, 15
    np.testing.assert_allclose(_shares(few, 1)[[0, 1, 2, 14, 15]], [0, 20, 40, 20, 20])
    np.testing.assert_allclose(_shares(many, 5)[[0, 4, 6, 15]], [5, 60, 20, 15])
    statistics = {"images_by_instances": few.tolist(), "instances_per_image": 10.0}
    peaks = []
    for counts in (few, many):
        chart = _per_image("instances", {"a": statistics | {"images_by_instances": counts.tolist()}})
        rows, places = np.nonzero(columns(chart)[60:])  # below the legend
        peaks.append(float(places[rows == rows.min()].mean()))
    # Peaks at 2 of 15 places and at the fourth, 20 to 24; the axis goes from 63 to 499.
    np.testing.assert_allclose(peaks, [63 + 436 * 2 / 15, 63 + 436 * 4 / 15], atol=4)


def test_axes_by_logarithms_have_round_numbers():
    np.testing.assert_allclose(10 ** np.array(_log_ticks(-2, 0)), [0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1])
    np.testing.assert_allclose(10 ** np.array(_log_ticks(0, 3)), [1, 10, 100, 1000])
    assert [_of_power(power) for power in (-2, 0, 1, 3, 4)] == ["0.01", "1", "10", "1,000", "10,000"]


def test_names_stand_where_no_curve_does():
    falling = {"a": ([0, 1], [1, 0])}
    for below, rows in ((False, slice(28, 70)), (True, slice(310, 350))):
        chart = line_chart(falling, names_below=below)
        assert (columns(chart)[rows, 70:95].sum(axis=1) > 15).any()  # the line before the name
        assert not (columns(chart)[310:350, 70:95].any() and not below)


def test_shapes_are_drawn_beside_their_names():
    means = np.zeros((7, 3, 4, 4))
    means[:, 1] = 1
    means[:, 2] = 0.4
    page = shape_gallery(means, [f"category {k}" for k in range(7)], threshold=0.5)
    lowest = shape_gallery(means, [f"category {k}" for k in range(7)], threshold=0.3)
    covered = columns(page, COVERED, tolerance=5)
    assert covered.sum() == 7 * 56 * 56  # the second shape of each
    grey = columns(page, (153, 153, 153), tolerance=2)
    assert grey.sum() >= 7 * 56 * 56 > columns(lowest, (153, 153, 153), tolerance=2).sum()
    with pytest.raises(ValueError, match="7 names|K names"):
        shape_gallery(means, ["one"])


def test_pages_of_charts():
    recall = np.linspace(0, 1, 1000)[None, None] * np.ones((10, 4, 1)) * np.linspace(1, 0.2, 10)[:, None, None]
    recall[:, 1] = -1  # no small objects
    table = {"counts": np.arange(1, 1001), "iou_thresholds": np.linspace(0.5, 0.95, 10), "recall": recall}
    table["areas"] = ("all", "small", "medium", "large")
    page = proposal_curves({"one": table, "two": {**table, "recall": recall / 2}}, title="boxes")
    assert page.shape == (2 * 400 + 8, 4 * 520 + 3 * 8, 3)
    assert columns(page[:400, :520]).any() and columns(page[:400, :520], COLORS[1]).any() and columns(page[408:]).any()
    heights, below = [], proposal_curves({"one": table})[408:]
    for chart in (below[:, :520], below[:, 528:1048], below[:, 1056:1576]):  # at 10, 100 and 1000 proposals
        rows, places = np.nonzero(columns(chart)[:, 300:])  # to the right of the legend
        heights.append(float(rows[places < 10].min()))  # the same IoU, 0.77
    # Recall 0.52 of 0.01, 0.1 and 1; the axis goes from the row 28 up to 351.
    np.testing.assert_allclose(heights, [351 - 323 * 0.52 * share for share in (0.01, 0.1, 1)], atol=3)
    below_names = page[100:400, 528:1048]  # of small objects: there are none, and no curve, not even at 0
    assert np.ptp(below_names, axis=-1).max() < 30  # black, white and grey
    statistics = {
        "images_by_categories": [1, 4, 2],
        "images_by_instances": [1, 0, 3, *[0] * 20, 3],
        "categories_per_image": 1.1,
        "instances_per_image": 10.7,
        "size_edges": [0.01, 0.1, 1.0],
        "instances_by_size": [3, 9],
        "instances_of_category": {"cat": 9, "dog": 3},
    }
    page = dataset_charts({"train": statistics, "val": statistics})
    assert page.shape[1] == 3 * 520 + 2 * 8 and columns(page[:400], COLORS[1]).any() and columns(page[408:]).any()
    with pytest.raises(ValueError, match="received none"):
        below_each_other([])
