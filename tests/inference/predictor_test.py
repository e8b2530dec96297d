"""The predictor's way from files to instances and back to each image's own pixels."""

import numpy as np
import pytest
from PIL import Image

from panet_tf.data.preprocessing import Preprocessing
from panet_tf.evaluation.rle import decode
from panet_tf.inference.predictor import Predictor
from panet_tf.ops.masks import paste_masks_numpy
from tests.inference.fake_model import FakeModel

CATEGORIES = ({"id": 7, "name": "dark"}, {"id": 90, "name": None})
BRIGHT, DARK = (8, 16, 24, 56), (40, 32, 56, 48)  # yxyx


def preprocessing(**kwargs):
    options = dict(canvases=((64, 96), (96, 64)), short_side=64, long_side=96, mean=(0, 0, 0), std=(1, 1, 1))
    return Preprocessing(**{**options, **kwargs})


def picture(height=64, width=80, factor=1):
    """Grey, with a bright and a dark rectangle."""
    image = np.full((height, width, 3), 120, "uint8")
    for (y0, x0, y1, x1), value in ((BRIGHT, 250), (DARK, 10)):
        image[y0 * factor : y1 * factor, x0 * factor : x1 * factor] = value
    return image


@pytest.fixture
def model():
    return FakeModel(CATEGORIES, preprocessing())


def check(result, factor=1):
    np.testing.assert_allclose(result["boxes"], np.array([DARK, BRIGHT]) * factor, atol=1.01 * factor)  # network pixels
    np.testing.assert_allclose(result["scores"], [0.9, 0.6])
    assert result["classes"].tolist() == [1, 2]
    assert result["category_ids"].tolist() == [7, 90]
    assert result["names"] == ["dark", "90"]


@pytest.mark.parametrize("height, width, factor", [(64, 80, 1), (128, 160, 2), (192, 180, 3), (90, 60, 1)])
def test_boxes_and_masks_come_back_in_original_pixels(model, height, width, factor):
    (result,) = Predictor(model)(picture(height, width, factor))
    check(result, factor)
    assert result["size"] == (height, width) and result["masks"].shape == (2, height, width)
    assert result["masks"].dtype == bool
    for mask, box in zip(result["masks"], result["boxes"]):
        y0, x0, y1, x1 = np.round(box).astype(int)
        assert mask[y0 + 1 : y1 - 1, x0 + 1 : x1 - 1].all()
        assert mask.sum() == pytest.approx((y1 - y0) * (x1 - x0), rel=0.1)


def test_masks_are_pasted_by_the_rule_of_the_model(model):
    (plain,) = Predictor(model)(picture())
    model.whole_pixels = True
    (whole,) = Predictor(model)(picture())
    (codes,) = Predictor(model, masks="rle")(picture())
    expected = paste_masks_numpy(np.ones((2, 28, 28)), whole["boxes"], (64, 80), whole_pixels=True)
    np.testing.assert_array_equal(whole["masks"], expected)
    np.testing.assert_array_equal([decode(code) for code in codes["masks"]], expected)
    assert np.any(expected != plain["masks"])


@pytest.mark.parametrize("batch_size", [1, 3])
def test_one_trace_a_canvas_whatever_the_sizes_and_counts(model, batch_size):
    landscape = [picture(64, width) for width in (96, 80, 70, 90)]
    portrait = [picture(height, 64) for height in (96, 90, 70)]
    predictor = Predictor(model, batch_size=batch_size)
    images = [landscape[0], portrait[0], *landscape[1:], *portrait[1:]]
    for _ in range(2):
        results = predictor(images)
        assert [result["index"] for result in results] == list(range(7))
        for result, image in zip(results, images):
            assert result["size"] == image.shape[:2]
            check(result)
    assert sorted(model.traces) == [(batch_size, 64, 96, 3), (batch_size, 96, 64, 3)]


def test_the_network_may_be_compiled(model):
    check(Predictor(model, jit_compile=True)(picture())[0])


def test_results_do_not_depend_on_the_batch(model):
    images = [picture(64, 90), picture(70, 64), picture(64, 81)]
    for alone, together in zip(Predictor(model)(images), Predictor(model, batch_size=4)(images)):
        np.testing.assert_array_equal(alone["boxes"], together["boxes"])
        np.testing.assert_array_equal(alone["masks"], together["masks"])


def test_files_arrays_and_pillow_images_give_the_same(model, tmp_path):
    path = tmp_path / "cells.png"
    Image.fromarray(picture()).save(path)
    forms = [path, str(path), picture(), picture().astype("float32"), Image.open(path), picture()[..., 0]]
    forms.append(np.concatenate([picture(), picture()[..., :1]], axis=-1))
    results = Predictor(model)(forms)
    assert [result["file_name"] for result in results] == [str(path)] * 2 + [None] * 5
    for result in results:
        check(result)
        np.testing.assert_array_equal(result["boxes"], results[0]["boxes"])
    check(Predictor(model)(path)[0])


@pytest.mark.parametrize("orientation, turns", [(6, 1), (3, 2), (8, 3)])
def test_files_are_turned_upright(model, tmp_path, orientation, turns):
    stored = Image.fromarray(np.rot90(picture(), turns))
    exif = stored.getexif()
    exif[0x0112] = orientation
    path = tmp_path / "turned.jpg"
    stored.save(path, quality=95, exif=exif)
    for image in (path, Image.open(path)):
        (result,) = Predictor(model)(image)
        assert result["size"] == (64, 80)
        check(result)


def test_bad_files_are_skipped_named_and_counted(model, tmp_path, caplog):
    good, text, short = tmp_path / "good.png", tmp_path / "text.png", tmp_path / "short.jpg"
    Image.fromarray(picture()).save(good)
    text.write_text("no image")
    Image.fromarray(picture()).save(short)
    short.write_bytes(short.read_bytes()[:400])
    predictor = Predictor(model, batch_size=2)
    with caplog.at_level("WARNING"):
        results = predictor([text, good, short, tmp_path / "missing.png", good])
    assert [result["index"] for result in results] == [1, 4]
    assert [name for name, _ in predictor.skipped] == [str(text), str(short), str(tmp_path / "missing.png")]
    assert "text.png skipped" in caplog.text and "3 of 5 images" in caplog.text
    assert predictor([]) == [] and predictor([text]) == []
    assert len(predictor.skipped) == 4


def test_one_path_that_cannot_be_read_is_an_error(model, tmp_path):
    with pytest.raises(ValueError, match="missing.png: image file is missing"):
        Predictor(model)(tmp_path / "missing.png")
    with pytest.raises(ValueError, match="it is a folder, .*find_images"):
        Predictor(model)(str(tmp_path))
    predictor = Predictor(model)
    assert predictor([tmp_path]) == [] and "find_images" in predictor.skipped[0][1]


def test_a_stream_takes_images_as_it_goes(model):
    taken = []

    def images():
        for i in range(6):
            taken.append(i)
            yield picture()

    stream = Predictor(model, batch_size=2).stream(images())
    next(stream)
    assert taken == [0, 1]
    assert len(list(stream)) == 5


def test_run_length_codes_are_the_arrays(model):
    image = picture(80, 96)
    (full,) = Predictor(model)(image)
    (coded,) = Predictor(model, masks="rle")(image)
    np.testing.assert_array_equal([decode(code) for code in coded["masks"]], full["masks"])
    (none,) = Predictor(model, masks=None)(image)
    assert "masks" not in none


def test_scores_leave_out(model):
    (result,) = Predictor(model, score_threshold=0.7)(picture())
    assert result["names"] == ["dark"] and result["masks"].shape == (1, 64, 80)
    (result,) = Predictor(model, score_threshold=0.95)(picture())
    assert result["boxes"].shape == (0, 4) and result["masks"].shape == (0, 64, 80) and result["names"] == []
    (result,) = Predictor(model, score_threshold=0.95, masks="rle")(picture())
    assert result["masks"] == []


def test_errors_name_the_rule_and_what_came(model):
    with pytest.raises(ValueError, match="give preprocessing="):
        Predictor(FakeModel(CATEGORIES))
    assert Predictor(FakeModel(CATEGORIES), preprocessing=preprocessing())(picture())
    with pytest.raises(ValueError, match="masks must be one of .* received 'png'"):
        Predictor(model, masks="png")
    with pytest.raises(ValueError, match="batch_size must be at least 1, received 0"):
        Predictor(model, batch_size=0)
    for wrong in (np.zeros((4, 5, 2)), np.zeros((0, 5, 3)), np.zeros((2, 4, 5, 3)), np.zeros((4, 5, 3), bool)):
        with pytest.raises(ValueError, match=r"array \(h, w, 3\)"):
            Predictor(model)([wrong])
    with pytest.raises(ValueError, match="not finite"):
        Predictor(model)(np.full((4, 5, 3), np.nan))
