"""Pixels in memory are those of the same image in a file."""

import numpy as np
import pytest
from PIL import Image

from panet_tf.inference.array_pixels import array_pixels
from panet_tf.inference.read_pixels import read_pixels


def test_an_image_of_16_bits_is_the_same_as_file_as_picture_and_as_array(tmp_path, caplog):
    deep = np.linspace(0, 65535, 48, dtype="uint16").reshape(6, 8)
    Image.fromarray(deep).save(tmp_path / "deep.png")
    expected = np.repeat((deep // 256).astype("uint8")[..., None], 3, axis=-1)
    for pixels in (read_pixels(tmp_path / "deep.png"), array_pixels(Image.open(tmp_path / "deep.png")),
                   array_pixels(deep), array_pixels(np.stack([deep] * 3, axis=-1))):  # fmt: skip
        assert pixels.dtype == np.uint8
        np.testing.assert_array_equal(pixels, expected)
    assert not caplog.text
    assert array_pixels(deep // 100).max() == 2
    assert "almost black" in caplog.text and "655 of 65535" in caplog.text


@pytest.mark.parametrize("dtype", ["int16", "int32", "int64", "uint32"])
def test_integers_beyond_8_bits_are_refused(dtype):
    np.testing.assert_array_equal(array_pixels(np.full((2, 3, 3), 255, dtype)), 255)
    with pytest.raises(ValueError, match=rf"{dtype} is an array of numbers in 0..255, received 0 to 256"):
        array_pixels(np.array([[0, 256]], dtype))
    if dtype.startswith("int"):
        with pytest.raises(ValueError, match="received -1 to 3"):
            array_pixels(np.array([[-1, 3]], dtype))


def test_floats_that_look_like_0_to_1_are_warned_of(caplog):
    for usual in (np.array([[0.0, 200.5]]), np.zeros((4, 4, 3)), np.ones((4, 4))):
        np.testing.assert_array_equal(array_pixels(usual)[..., 0], usual[..., 0] if usual.ndim == 3 else usual)
    assert not caplog.text
    array_pixels(np.array([[0.0, 0.25, 1.0]]))
    assert "received 0 to 1" in caplog.text


def test_pictures_without_8_bits_are_refused():
    with pytest.raises(ValueError, match="floating-point"):
        array_pixels(Image.fromarray(np.ones((2, 2), "float32")))
