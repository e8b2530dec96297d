import numpy as np
import pytest

from panet_tf.visualization.bar_chart import bar_chart
from panet_tf.visualization.dataset_charts import dataset_charts
from panet_tf.visualization.line_chart import COLORS, line_chart
from panet_tf.visualization.proposal_curves import proposal_curves
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


def test_pages_of_charts():
    recall = np.linspace(0, 1, 1000)[None, None] * np.ones((10, 4, 1)) * np.linspace(1, 0.2, 10)[:, None, None]
    recall[:, 1] = -1  # no small objects
    table = {"counts": np.arange(1, 1001), "iou_thresholds": np.linspace(0.5, 0.95, 10), "recall": recall}
    table["areas"] = ("all", "small", "medium", "large")
    page = proposal_curves({"one": table, "two": {**table, "recall": recall / 2}}, title="boxes")
    assert page.shape == (2 * 400 + 8, 4 * 520 + 3 * 8, 3)
    assert columns(page[:400, :520]).any() and columns(page[:400, :520], COLORS[1]).any() and columns(page[408:]).any()
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
