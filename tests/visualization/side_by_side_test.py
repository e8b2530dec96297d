"""Pictures in a row."""

import numpy as np
import pytest

from panet_tf.visualization.side_by_side import side_by_side


def test_pictures_are_found_again_under_their_titles():
    first, second = np.full((20, 60, 3), 50, "uint8"), np.full((30, 70, 3), 90, "uint8")
    row = side_by_side([first, second], ["a title that is longer than its picture", "b"], gap=4)
    assert row.dtype == np.uint8 and row.shape[1] == 60 + 4 + 70
    top = row.shape[0] - 30
    assert top >= 16
    np.testing.assert_array_equal(row[top : top + 20, :60], first)
    np.testing.assert_array_equal(row[top:, 64:], second)
    assert (row[top + 20 :, :60] == 255).all()
    assert (row[:top] < 128).any()  # the letters


def test_without_titles_there_is_no_line():
    assert side_by_side([np.zeros((5, 6, 3), "uint8")]).shape == (5, 6, 3)


def test_errors():
    with pytest.raises(ValueError, match="received 0 and no titles"):
        side_by_side([])
    with pytest.raises(ValueError, match="received 1 and 2 titles"):
        side_by_side([np.zeros((5, 6, 3), "uint8")], ["a", "b"])
