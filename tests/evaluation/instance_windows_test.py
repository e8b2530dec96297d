"""Masks of a batch's image, pasted one by one."""

import numpy as np
import pytest

from panet_tf.evaluation.instance_windows import check_predictions, instance_windows
from panet_tf.evaluation.rle import encode_window


def prediction():
    return {
        "boxes": np.float32([[2, 3, 6, 8], [0, 0, 2, 2], [0, 0, 0, 0], [1, 1, np.nan, 4], [0, 0, 9, 9]]),
        "scores": np.float32([0.5, 0.25, 0.0, 0.9, 0.1]),
        "classes": np.int32([2, 3, 0, 1, 1]),
        "masks": np.ones((5, 4, 4), np.float32),
    }


def test_windows(caplog):
    found = list(instance_windows(7, prediction(), [26, 24, -1], (8, 10)))
    # The second has no category, the third is padding, the fourth's box is not finite.
    assert [(top, left, category, score) for _, top, left, category, score in found] == [
        (2, 3, 24, 0.5),
        (0, 0, 26, pytest.approx(0.1)),
    ]
    assert found[0][0].shape == (4, 5) and found[0][0].all() and found[1][0].shape == (8, 9)
    assert "Image 7: 1 detections that are not finite" in caplog.text


def test_run_length_codes():
    window = np.array([[True, False], [True, True]])
    codes = np.array([encode_window(window, 1, 3, (4, 6)), None], object)
    given = {"scores": np.array([0.5, 0.2]), "classes": np.array([1, 0]), "segmentations": codes}
    ((mask, top, left, category, score),) = instance_windows(7, given, [26], (4, 6))
    assert (mask.shape, top, left, category, score) == ((4, 6), 0, 0, 26, 0.5) and mask.sum() == 3
    with pytest.raises(ValueError, match=r"image 7 is \(4, 5\), a mask of it is \(4, 6\)"):
        list(instance_windows(7, given, [26], (4, 5)))


def test_what_is_missing():
    with pytest.raises(ValueError, match=r"missing \['image_ids'\]"):
        check_predictions(prediction())
    with pytest.raises(ValueError, match="classes must be 1..2"):
        list(instance_windows(7, prediction(), [26, 24], (8, 10)))
