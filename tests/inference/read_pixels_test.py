"""Pixels of files."""

import numpy as np
import pytest
from PIL import Image

from panet_tf.inference.read_pixels import read_pixels


@pytest.mark.parametrize("suffix", ["png", "bmp", "tif", "webp"])
def test_files_without_loss_give_their_pixels(tmp_path, suffix):
    image = np.random.default_rng(0).integers(0, 255, (20, 30, 3), dtype=np.uint8)
    path = tmp_path / f"a.{suffix}"
    Image.fromarray(image).save(path, **({"lossless": True} if suffix == "webp" else {}))
    pixels = read_pixels(path)
    assert pixels.dtype == np.uint8
    np.testing.assert_array_equal(pixels, image)


def test_what_cannot_be_read_is_a_value_error(tmp_path):
    with pytest.raises(ValueError, match="missing"):
        read_pixels(tmp_path / "none.png")
    (tmp_path / "text.jpg").write_text("hello")
    with pytest.raises(ValueError, match="not an image"):
        read_pixels(tmp_path / "text.jpg")
