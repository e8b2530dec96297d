"""What builders of images share, without a data set around it."""

import threading
import time

import numpy as np
import pytest

from panet_tf.data.image_builder import _ordered, find_image, image_features


def test_work_is_done_ahead_and_comes_in_order():
    done, lock = [], threading.Lock()

    def slow(item):
        time.sleep(0.002 * (item % 3))
        with lock:
            done.append(item)
        return -item

    read = []

    def items():
        for item in range(200):
            read.append(item)
            yield item

    found = _ordered(items(), slow)
    assert next(found) == (0, 0)
    assert 1 < len(read) < 100  # some ahead, not all: images of a whole data set would not fit
    assert list(found) == [(i, -i) for i in range(1, 200)]
    assert sorted(done) == list(range(200))


def test_an_error_comes_where_its_item_is():
    found = _ordered(range(5), lambda i: 1 // (3 - i))
    assert [value for _, value in (next(found), next(found), next(found))] == [0, 0, 1]
    with pytest.raises(ZeroDivisionError):
        next(found)


def test_images_are_found_under_their_name_or_the_last_part_of_it(tmp_path):
    (tmp_path / "val").mkdir()
    for name in ("a.png", "val/a.png", "b.png"):
        (tmp_path / name).touch()
    assert find_image(tmp_path, "a.png") == tmp_path / "a.png"
    assert find_image(tmp_path, "val\\a.png") == tmp_path / "val" / "a.png"
    assert find_image(tmp_path, "C:\\photos\\b.png") == find_image(tmp_path, "/elsewhere/b.png") == tmp_path / "b.png"
    assert not find_image(tmp_path, "c.png").exists()
    with pytest.raises(ValueError, match="image file is missing"):
        find_image(tmp_path, "x" * 5000)


def test_examples_survive_being_written(tmp_path):
    """float64 values and strings of any number of objects, and points only where there are some."""
    assert "keypoints" not in image_features()["objects"]
    rng = np.random.default_rng(0)
    for count in (0, 3):
        objects = {
            "id": rng.integers(2**53, 2**62, count),
            "box": rng.random((count, 4)).astype("float32"),
            "class": np.arange(count, dtype="int32"),
            "is_crowd": np.arange(count) % 2 == 0,
            "area": rng.random(count).astype("float32"),
            "mask": rng.integers(0, 256, (count, 112, 14), "uint8"),
            "segmentation": [b"runs"] * count,
            "exact_box": rng.random((count, 4)),
            "exact_area": rng.random(count),
            "keypoints": rng.random((count, 2, 3)).astype("float32"),
        }
        image = rng.integers(0, 256, (5, 7, 3), "uint8")
        example = {"image": image, "image_id": 2**40, "height": 5, "width": 7, "file_name": "é.png", "objects": objects}
        features = image_features(num_keypoints=2)
        read = features.deserialize_example(features.serialize_example(example))
        np.testing.assert_array_equal(read["image"], image)
        assert int(read["image_id"]) == 2**40 and read["file_name"].numpy().decode() == "é.png"
        for name, value in objects.items():
            assert read["objects"][name].shape[0] == count
            np.testing.assert_array_equal(read["objects"][name].numpy().tolist(), np.asarray(value).tolist())
