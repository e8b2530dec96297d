import numpy as np
import pytest

from panet_tf.visualization.line_chart import COLORS, line_chart


def where(chart, color, tolerance=40):
    """Rows and columns of the pixels of a colour."""
    return np.nonzero(np.abs(chart.astype(int) - color).max(-1) <= tolerance)


def test_a_rising_curve_rises_within_the_axes_and_the_next_has_another_colour():
    x = np.linspace(0, 1, 50)
    curves = {"up": (x, x), "level": (x, 0 * x + 0.25)}
    chart = line_chart(curves, title="two", x_label="x", y_label="y", y_range=(0, 1))
    assert chart.shape == (400, 520, 3) and chart.dtype == np.uint8
    rows, columns = where(chart, COLORS[0])
    beyond = columns > 250  # to the right of the legend
    slope = np.polyfit(columns[beyond], rows[beyond], 1)[0]
    assert -1.2 < slope < -0.5  # upwards is towards row 0; the axes are wider than high
    rows, columns = where(chart, COLORS[1])
    assert np.ptp(rows[columns > 250]) <= 3
    height = chart.shape[0]
    assert 0.6 * height < np.median(rows[columns > 250]) < 0.75 * height  # a quarter above the lower axis


def test_what_is_not_finite_is_left_out_and_what_is_beyond_the_range_stays_inside():
    chart = line_chart({"a": ([0, 1, 2, 3], [0, np.nan, np.inf, 1])}, y_range=(0, 0.5))
    rows, _ = where(chart, COLORS[0])
    assert len(rows) and rows.min() >= 20
    assert line_chart({"flat": ([1, 1], [2, 2])}).shape == (400, 520, 3)


@pytest.mark.parametrize("curves", [{}, {"a": ([0, 1], [0, 1, 2])}])
def test_what_is_no_curve_is_refused(curves):
    with pytest.raises(ValueError, match="sequences of one length, received"):
        line_chart(curves)
