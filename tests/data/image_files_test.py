import io

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from panet_tf.data.image_files import read_image

PIXELS = np.random.default_rng(0).integers(0, 256, (20, 30, 3), np.uint8)
RAMP = np.broadcast_to(np.arange(30, dtype=np.uint8)[None, :, None] * 8, (20, 30, 3)).copy()


def decode(data):
    return tf.io.decode_image(data, channels=3, expand_animations=False).numpy()


def save(path, image, **options):
    image.save(path, **options)
    return path


@pytest.mark.parametrize(
    ("name", "mode", "kept"),
    [
        ("a.png", "RGB", True),
        ("a.png", "L", True),
        ("a.png", "1", False),
        ("a.png", "P", False),
        ("a.png", "LA", False),
        ("a.png", "RGBA", False),
        ("a.jpg", "RGB", True),
        ("a.jpg", "L", True),
        ("a.jpg", "CMYK", False),
        ("a.bmp", "RGB", False),
        ("a.tif", "RGB", False),
        ("a.gif", "P", False),
        ("a.webp", "RGB", False),
    ],
)
def test_every_kind_of_file_becomes_its_rgb_pixels(tmp_path, name, mode, kept):
    options = {"lossless": True} if name.endswith("webp") else {}
    path = save(tmp_path / name, Image.fromarray(PIXELS).convert(mode), **options)
    data, height, width, notes = read_image(path, height=20, width=30)
    assert (height, width, notes) == (20, 30, [])
    assert (data == path.read_bytes()) == kept
    expected = np.asarray(Image.open(path).convert("RGB"), np.int64)
    # Two JPEG decoders round differently, on noise by up to 4 of 255.
    np.testing.assert_allclose(decode(data), expected, atol=6 if name.endswith("jpg") else 0)


def test_alpha_is_dropped_not_blended(tmp_path):
    rgba = np.concatenate([PIXELS, np.zeros((20, 30, 1), np.uint8)], axis=-1)
    data, *_ = read_image(save(tmp_path / "a.png", Image.fromarray(rgba)))
    np.testing.assert_array_equal(decode(data), PIXELS)


def test_sixteen_bits_keep_their_high_byte_and_are_noted(tmp_path):
    values = np.random.default_rng(0).integers(0, 65536, (20, 30), np.uint16)
    data, *_, notes = read_image(save(tmp_path / "a.png", Image.fromarray(values)))
    np.testing.assert_array_equal(decode(data)[..., 1], values // 256)
    assert [rule for rule, _ in notes] == ["16-bit image reduced to its high byte"]
    data, *_, notes = read_image(save(tmp_path / "b.tif", Image.fromarray(values // 32)))
    np.testing.assert_array_equal(decode(data)[..., 1], values // 32 // 256)
    assert "almost black" in notes[1][0] and "of 65535" in notes[1][1]


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_rotation_is_applied_when_the_json_has_the_upright_size(tmp_path, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = save(tmp_path / "a.jpg", Image.fromarray(RAMP), exif=exif, quality=95)
    height, width = (30, 20) if orientation >= 5 else (20, 30)
    for size in ({"height": height, "width": width}, {}):
        data, *found, notes = read_image(path, **size)
        assert found == [height, width] and len(notes) == (orientation > 1)
        # The ramp rises along x as stored. Orientations 2, 3, 7 and 8 turn that direction round.
        pixels = decode(data)[..., 0].astype(int)
        rise = pixels[-1, 5] - pixels[0, 5] if orientation >= 5 else pixels[5, -1] - pixels[5, 0]
        assert np.sign(rise) == (-1 if orientation in (2, 3, 7, 8) else 1) and abs(rise) > 200


def test_pixels_stay_as_stored_when_the_json_has_the_stored_size(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    path = save(tmp_path / "a.jpg", Image.fromarray(RAMP), exif=exif)
    data, height, width, notes = read_image(path, height=20, width=30)
    assert data == path.read_bytes() and (height, width) == (20, 30) and "ignored" in notes[0][0]


def encoded(kind):
    file = io.BytesIO()
    Image.fromarray(PIXELS).save(file, kind)
    return file.getvalue()


@pytest.mark.parametrize(
    ("content", "rule"),
    [
        (b"", "not an image"),
        (b"<html>404</html>", "not an image"),
        (encoded("JPEG")[:-300], "truncated or broken"),
        (encoded("PNG")[:-300], "truncated or broken"),
        (encoded("BMP")[:-300], "truncated or broken"),
        (encoded("PNG")[:20], "not an image"),
    ],
)
def test_broken_files_are_named(tmp_path, content, rule):
    (tmp_path / "a.jpg").write_bytes(content)
    with pytest.raises(ValueError, match=rule):
        read_image(tmp_path / "a.jpg")


def test_missing_files_folders_other_sizes_and_float_pixels_are_named(tmp_path):
    with pytest.raises(ValueError, match="^image file is missing$"):
        read_image(tmp_path / "none.png")
    with pytest.raises(ValueError, match="cannot be read"):
        read_image(tmp_path)
    path = save(tmp_path / "a.png", Image.fromarray(PIXELS))
    with pytest.raises(ValueError, match=r"differs between JSON and file: 31 x 20 and 30 x 20"):
        read_image(path, height=20, width=31)
    path = save(tmp_path / "a.tif", Image.fromarray(np.ones((4, 4), np.float32)))
    with pytest.raises(ValueError, match="floating-point"):
        read_image(path)
