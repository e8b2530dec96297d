"""Prepared records by themselves; whole sources are tested in coco_source_test.py and panoptic_source_test.py."""

import numpy as np
import pytest

from panet_tf.data.coco_preparation import prepare_coco_json
from panet_tf.data.prepared_source import PreparedSource
from tests import tiny_coco

POINTS = {"keypoints": ["nose", "tail"], "skeleton": [[1, 2]]}
CATEGORIES = [{**tiny_coco.CATEGORIES[0], **POINTS}]
SIZES = [(30, 40), (20, 25), (31, 33)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Three images with 0, 1 and 2 objects, of which one is a crowd."""
    path = tmp_path_factory.mktemp("prepared")
    images = [tiny_coco.image_entry(i + 5, width=w, height=h) for i, (h, w) in enumerate(SIZES)]
    annotations = [
        tiny_coco.annotation(10, image_id=6, keypoints=[5.5, 7.25, 2, 0, 0, 0], num_keypoints=1, area=77.125),
        tiny_coco.annotation(11, image_id=7, keypoints=[0] * 6, num_keypoints=0),
        tiny_coco.annotation(12, image_id=7, keypoints=[0] * 6, num_keypoints=0, iscrowd=1),
    ]
    annotations, images = tiny_coco.write(path, images, annotations, categories=CATEGORIES)
    return prepare_coco_json(annotations=annotations, images=images, cache=path / "cache", progress=False)


class Prepared(PreparedSource):
    def __init__(self, folder, part=None):
        super().__init__(name="mine", part=part)
        self.folder, self.times = folder, 0

    def _prepare(self):
        self.times += 1
        return self.folder


def test_facts_are_read_once_and_written_anew_where_they_are_old(folder):
    source = Prepared(folder)
    assert source.times == 0  # not before it is asked
    order = np.argsort(source.image_ids)
    assert source.image_ids[order].tolist() == [5, 6, 7]
    assert source.image_sizes[order].tolist() == [list(size) for size in SIZES]
    assert source.num_objects[order].tolist() == [0, 1, 1]  # crowds aside
    assert source.num_examples == 3 and source.times == 1
    with np.load(folder / "facts.npz") as saved:
        facts = dict(saved)
    np.savez(folder / "facts.npz", **{key: value for key, value in facts.items() if key != "image_id"})
    assert Prepared(folder).image_ids.tolist() == source.image_ids.tolist()
    with np.load(folder / "facts.npz") as saved:
        assert saved.keys() == facts.keys()
    assert not list(folder.glob("*.part*"))


def test_samples_lie_where_the_facts_say(folder):
    source = Prepared(folder)
    for row, image_id in enumerate(source.image_ids):
        sample = source.sample(row)
        assert sample["image_id"] == image_id and sample["image"].shape[:2] == tuple(source.image_sizes[row])
        assert {"exact_box", "exact_area"}.isdisjoint(sample["objects"])
        entry = tiny_coco.image_entry(int(image_id), width=sample["image"].shape[1], height=sample["image"].shape[0])
        np.testing.assert_array_equal(sample["image"], np.asarray(tiny_coco.draw_image(entry)))
    assert [int(s["image_id"]) for s in source.samples(start=2)] == source.image_ids[2:].tolist()


def test_ground_truth_keeps_what_a_sample_rounds(folder):
    truth = Prepared(folder).coco_ground_truth()
    assert truth["info"] == {"description": "mine"} and truth["categories"] == CATEGORIES
    by_id = {annotation["id"]: annotation for annotation in truth["annotations"]}
    assert by_id[10]["keypoints"] == [5.5, 7.25, 2, 0, 0, 0] and by_id[10]["num_keypoints"] == 1
    assert by_id[10]["area"] == 77.125 and by_id[10]["bbox"] == [4, 6, 10, 10] and by_id[10]["category_id"] == 3
    assert [by_id[i]["iscrowd"] for i in (10, 11, 12)] == [0, 0, 1]


def test_parts(folder):
    whole = Prepared(folder).image_ids.tolist()
    assert Prepared(folder, "[:1]").image_ids.tolist() + Prepared(folder, "[1:]").image_ids.tolist() == whole
    for part, message in (("[1]", "must be a slice"), ("examples[:1]", "must be a slice"), ("[x:]", "must be a slice"),
                          ("[3:]", "at least one image, received .* of mine")):  # fmt: skip
        with pytest.raises(ValueError, match=message):
            _ = Prepared(folder, part).num_examples
