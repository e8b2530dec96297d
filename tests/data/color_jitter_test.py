import numpy as np
import pytest

from panet_tf.data.color_jitter import ColorJitter

IMAGE = np.random.default_rng(0).integers(60, 180, (8, 9, 3)).astype(np.uint8)
GREY = np.array([0.299, 0.587, 0.114])


def jitter(number, **arguments):
    everything = {"brightness": 0.0, "contrast": 0.0, "saturation": 0.0, **arguments}
    result = ColorJitter(**everything)({"image": IMAGE, "classes": 5}, (0, number))
    assert result["classes"] == 5
    return result["image"].numpy()


def test_nothing_asked_for_changes_nothing():
    np.testing.assert_allclose(jitter(0), IMAGE, atol=1e-3)
    np.testing.assert_array_equal(jitter(1, brightness=0.5, probability=0.0), IMAGE)


def test_each_change_keeps_what_it_should():
    for number in range(5):
        ratio = jitter(number, brightness=0.3) / IMAGE
        np.testing.assert_allclose(ratio, ratio[0, 0, 0], rtol=1e-4)
        assert 0.7 <= ratio[0, 0, 0] <= 1.3

        contrasted = jitter(number, contrast=0.3)
        np.testing.assert_allclose((contrasted @ GREY).mean(), (IMAGE @ GREY).mean(), rtol=1e-4)
        assert 0.69 < contrasted.std() / IMAGE.std() < 1.31

        saturated = jitter(number, saturation=0.3)
        np.testing.assert_allclose(saturated @ GREY, IMAGE @ GREY, rtol=1e-4)
        assert abs(saturated - IMAGE).max() > 0.5


def test_values_stay_in_range_and_seeds_decide():
    results = [jitter(number, brightness=0.9, contrast=0.9, saturation=0.9) for number in range(20)]
    assert all(result.min() >= 0 and result.max() <= 255 for result in results)
    assert len({round(float(result.mean()), 3) for result in results}) > 15
    np.testing.assert_array_equal(results[3], jitter(3, brightness=0.9, contrast=0.9, saturation=0.9))


@pytest.mark.parametrize("arguments", [{"brightness": 1.0}, {"contrast": -0.1}, {"saturation": 3}, {"probability": 2}])
def test_amounts_are_checked(arguments):
    with pytest.raises(ValueError, match="received"):
        ColorJitter(**arguments)
