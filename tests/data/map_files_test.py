import numpy as np
import pytest
from PIL import Image

from panet_tf.data.map_files import read_color_ids, read_grey_ids

IDS = np.random.default_rng(0).integers(0, 256, (4, 6))


def test_grey_pictures_of_either_depth_and_palettes_are_ids(tmp_path):
    Image.fromarray(IDS.astype("uint8")).save(tmp_path / "8.png")
    Image.fromarray((100 * IDS).astype("uint16")).save(tmp_path / "16.png")
    palette = Image.fromarray(IDS.astype("uint8"), "P")
    palette.putpalette(list(range(255, -1, -1)) * 3)  # colours mean nothing
    palette.save(tmp_path / "palette.png")
    for name, factor in (("8", 1), ("16", 100), ("palette", 1)):
        found = read_grey_ids(tmp_path / f"{name}.png")
        assert found.dtype == np.int32
        np.testing.assert_array_equal(found, factor * IDS)


def test_colours_are_three_digits_and_alpha_is_none(tmp_path):
    pixels = np.stack([IDS, IDS[::-1], IDS[:, ::-1], IDS], axis=-1).astype("uint8")
    expected = IDS + 256 * IDS[::-1] + 65536 * IDS[:, ::-1]
    for channels in (3, 4):
        Image.fromarray(pixels[..., :channels]).save(tmp_path / "map.png")
        np.testing.assert_array_equal(read_color_ids(tmp_path / "map.png"), expected)
        with open(tmp_path / "map.png", "rb") as file:
            np.testing.assert_array_equal(read_color_ids(file), expected)


def test_other_files_are_refused_with_the_reason(tmp_path):
    path = tmp_path / "map.png"
    with pytest.raises(ValueError, match="is missing: map.png"):
        read_grey_ids(path)
    path.write_bytes(b"no image")
    with pytest.raises(ValueError, match="broken or no image: map.png"):
        read_color_ids(path)
    Image.fromarray(IDS.astype("uint8")).save(path)
    with pytest.raises(ValueError, match="not a picture of three channels"):
        read_color_ids(path)
    Image.fromarray(np.zeros((4, 6, 3), "uint8")).save(path)
    with pytest.raises(ValueError, match="not a grey picture"):
        read_grey_ids(path)
    Image.fromarray(IDS > 100).save(path)
    with pytest.raises(ValueError, match="not a grey picture"):
        read_grey_ids(path)
