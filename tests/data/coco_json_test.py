import json

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_datasets as tfds

import panet_tf.data.coco_json  # noqa: F401 registers the builder
from panet_tf.data.coco_json import CocoJson, CocoJsonConfig
from panet_tf.data.problem_report import ProblemReport
from tests import tiny_coco
from tests.tiny_coco import annotation, image_entry


def build(folder, splits, **settings):
    config = CocoJsonConfig(name="tiny", splits=splits, **settings)
    builder = CocoJson(data_dir=str(folder / "tfds"), config=config)
    builder.download_and_prepare()
    return builder


@pytest.fixture(scope="module")
def two_splits(tmp_path_factory):
    """Ten images of 0 to 9 objects, and two of one."""
    folder = tmp_path_factory.mktemp("two_splits")
    for split, counts in (("train", range(10)), ("val", (1, 1))):
        (folder / split).mkdir()
        images = [image_entry(i + 1, width=40 + i) for i in range(len(counts))]
        annotations = [annotation(100 * i + k + 1, image_id=i + 1) for i, n in enumerate(counts) for k in range(n)]
        tiny_coco.write(folder / split, images, annotations)
    splits = {s: (str(folder / s / "all.json"), str(folder / s / "images")) for s in ("train", "val")}
    return build(folder, splits), folder


def test_splits_and_slices_hold_every_image_once(two_splits):
    builder, _ = two_splits
    assert {s: i.num_examples for s, i in builder.info.splits.items()} == {"train": 10, "val": 2}
    parts = [tfds.as_numpy(builder.as_dataset(split=s)) for s in ("train[:80%]", "train[80%:]")]
    ids = [[int(e["image_id"]) for e in part] for part in parts]
    assert [len(i) for i in ids] == [8, 2] and sorted(ids[0] + ids[1]) == list(range(1, 11))


def test_examples_hold_images_and_objects_as_they_were(two_splits):
    builder, folder = two_splits
    for example in tfds.as_numpy(builder.as_dataset(split="train")):
        identity, n = int(example["image_id"]), int(example["image_id"]) - 1
        expected = np.asarray(tiny_coco.draw_image(image_entry(identity, width=39 + identity)))
        np.testing.assert_array_equal(example["image"], expected)
        assert (example["height"], example["width"]) == (30, 39 + identity)
        assert example["file_name"] == f"{identity}.png".encode()
        objects = example["objects"]
        assert objects["id"].tolist() == [100 * n + k + 1 for k in range(n)]
        assert objects["box"].shape == (n, 4) and objects["mask"].shape == (n, 112, 14)
        assert (objects["box"] == [6, 4, 16, 14]).all() and (objects["mask"] == 255).all()


def test_the_written_folder_can_be_read_without_the_files_it_came_from(two_splits):
    builder, _ = two_splits
    again = tfds.builder_from_directory(builder.data_dir)
    assert list(again.info.metadata["categories"]) == tiny_coco.CATEGORIES
    example = next(iter(again.as_dataset(split="val")))
    assert example["image"].dtype == tf.uint8 and example["objects"]["exact_box"].dtype == tf.float64


def test_the_builder_is_found_by_name(tmp_path):
    data, info = tfds.load("coco_json/nuclei_mini", split="val[:25%]", data_dir=str(tmp_path), with_info=True)
    assert len(data) == 5 and info.splits["train"].num_examples == 60
    assert info.metadata["categories"][0]["name"] == "nucleus"


def test_what_was_wrong_is_kept_beside_the_shards(tmp_path):
    images = [image_entry(1), image_entry(2), image_entry(3)]
    annotations = [annotation(1), annotation(2, segmentation=[[1, 1, 2, 2]]), annotation(3, image_id=2)]
    paths = tiny_coco.write(tmp_path, images, annotations)
    (paths[1] / "2.png").unlink()
    builder = build(tmp_path, {"all_of_it": tuple(map(str, paths))})
    assert builder.info.splits["all_of_it"].num_examples == 2
    saved = (builder.data_path / "report_all_of_it.json").read_text()
    report = ProblemReport.from_dict(json.loads(saved))
    assert report.counts == {
        ("skipped image", "image file is missing"): 1,
        ("skipped annotation", "polygon has fewer than three points"): 1,
        ("note", "image without a usable annotation, kept"): 1,
    }
    counts = tfds.builder_from_directory(builder.data_dir).info.metadata["problems"]["all_of_it"]
    assert {(a, r): n for a, r, n in counts} == report.counts


def test_images_without_annotations_are_dropped_on_request_and_counted(tmp_path):
    paths = tiny_coco.write(tmp_path, [image_entry(1), image_entry(2)], [annotation(1)])
    builder = build(tmp_path, {"train": tuple(map(str, paths))}, keep_empty=False)
    assert builder.info.splits["train"].num_examples == 1
    counts = builder.info.metadata["problems"]["train"]
    assert counts == [["skipped image", "no annotation, and keep_empty is off", 1]]


def test_files_are_found_by_their_last_part_when_the_folder_is_another_machines(tmp_path):
    images = [image_entry(1, name="C:\\photos\\1.png"), image_entry(2, name="/home/someone/2.png")]
    tiny_coco.write(tmp_path, [image_entry(1), image_entry(2)])
    paths = tiny_coco.write(tmp_path, images, draw=False)
    builder = build(tmp_path, {"train": tuple(map(str, paths))})
    assert builder.info.splits["train"].num_examples == 2


def test_a_folder_without_any_of_the_images_is_refused(tmp_path):
    paths = tiny_coco.write(tmp_path, draw=False)
    with pytest.raises(
        ValueError, match="(?s)needs images, none of the 1 .*image file is missing: 1\n    1.png, image 1"
    ):
        build(tmp_path, {"train": tuple(map(str, paths))})
    with pytest.raises(ValueError, match="images of split 'train' must be a folder"):
        build(tmp_path, {"train": (str(paths[0]), str(tmp_path / "none"))})
    with pytest.raises(ValueError, match="at least one split"):
        build(tmp_path, {})


def test_splits_with_other_categories_are_refused(tmp_path):
    (tmp_path / "a").mkdir()
    paths = {
        "train": tuple(map(str, tiny_coco.write(tmp_path / "a", categories=tiny_coco.CATEGORIES[:1]))),
        "val": tuple(map(str, tiny_coco.write(tmp_path))),
    }
    with pytest.raises(ValueError, match=r"(?s)share one list of categories.*'val'.*\[90\]"):
        build(tmp_path, paths)
    assert build(tmp_path, paths, categories=("cat",)).info.splits["val"].num_examples == 1


def test_keypoints_travel_through(tmp_path):
    categories = [{"id": 3, "name": "cat", "keypoints": ["nose", "tail"], "skeleton": [[1, 2]]}]
    annotations = [annotation(1, keypoints=[5, 7, 2, 0, 0, 0]), annotation(2)]
    paths = tiny_coco.write(tmp_path, annotations=annotations, categories=categories)
    builder = build(tmp_path, {"train": tuple(map(str, paths))})
    example = next(tfds.as_numpy(builder.as_dataset(split="train")).__iter__())
    expected = [[[7.5, 5.5, 2], [0, 0, 0]], np.zeros((2, 3))]
    np.testing.assert_array_equal(example["objects"]["keypoints"], expected)
    assert builder.info.metadata["categories"] == categories
