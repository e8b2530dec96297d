import numpy as np
import pytest

from panet_tf.data.random_crop import RandomCrop

SIZE = np.array([60.0, 90.0], np.float32)


def make_sample():
    return {
        "image": np.arange(60 * 90 * 3).reshape(60, 90, 3) % 251,
        "boxes": np.array([[10, 20, 50, 70]], np.float32),
        "masks": np.ones((1, 112, 112), np.uint8),
        "classes": np.array([1], np.int32),
        "is_crowd": np.array([False]),
        "offset": np.zeros(2, np.float32),
    }


@pytest.mark.parametrize(
    ("arguments", "least", "most"),
    [
        ({"size": (32, 48)}, (32, 48), (32, 48)),
        ({"size": (128, 48)}, (60, 48), (60, 48)),  # the image is lower than that
        ({"relative": (0.5, 1.0)}, (30, 45), (60, 90)),
        ({"relative": (0.001, 0.001)}, (1, 1), (1, 1)),
        ({"size": (32, 48), "probability": 0.0}, (60, 90), (60, 90)),
    ],
)
def test_windows_have_the_size_asked_for_and_say_so_before(arguments, least, most):
    crop = RandomCrop(**arguments)
    corners = set()
    for number in range(30):
        cropped = crop(make_sample(), (1, number))
        size = cropped["image"].shape[:2]
        assert all(low <= side <= high for low, side, high in zip(least, size, most))
        np.testing.assert_array_equal(crop.output_size(SIZE, (1, number)), size)
        top, left = cropped["offset"].numpy().astype(int)
        window = make_sample()["image"][top : top + size[0], left : left + size[1]]
        np.testing.assert_array_equal(cropped["image"], window)
        corners.add((top, left))
    assert len(corners) > 10 or most == least == (60, 90) or arguments.get("size") == (128, 48)


@pytest.mark.parametrize(
    "arguments",
    [{"size": (0, 5)}, {"size": (5,)}, {"relative": (0.0, 1.0)}, {"relative": (0.9, 0.5)}, {"probability": 2}],
)
def test_ranges_are_checked(arguments):
    with pytest.raises(ValueError, match="received"):
        RandomCrop(**arguments)
