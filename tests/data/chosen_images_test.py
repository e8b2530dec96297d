"""Sources made of rows of another source, against plain indexing."""

import json

import numpy as np
import pytest

from panet_tf.data.chosen_images import ChosenImages, annotations_of

ROWS = [4, 1, 1, 3]


class Source:
    """Five images with ids 100.., each a row of a list."""

    categories = ({"id": 3, "name": "cat"},)
    num_examples = 5
    image_sizes = [(10 + i, 20 + i) for i in range(5)]
    num_objects = [0, 1, 2, 3, 4]
    image_ids = [100, 101, 102, 103, 104]

    def sample(self, index):
        return {"image_id": index + 100}

    def coco_ground_truth(self):
        annotations = [{"id": i, "image_id": 100 + i // 2, "category_id": 3} for i in range(10)]
        return {
            "images": [{"id": 100 + i} for i in range(5)],
            "annotations": annotations,
            "categories": self.categories,
        }


def test_facts_and_samples_are_those_of_the_rows():
    chosen, source = ChosenImages(Source(), ROWS), Source()
    assert chosen.num_examples == 4 and chosen.categories == source.categories
    for name in ("image_sizes", "num_objects", "image_ids"):
        np.testing.assert_array_equal(getattr(chosen, name), [getattr(source, name)[row] for row in ROWS])
    assert [int(sample["image_id"]) for sample in chosen.samples()] == [104, 101, 101, 103]
    assert int(chosen.sample(3)["image_id"]) == 103
    with pytest.raises(AttributeError):
        _ = chosen.absent


def test_a_seed_is_a_permutation_that_repeats():
    chosen = ChosenImages(Source(), range(5))
    orders = [[int(sample["image_id"]) for sample in chosen.samples(seed)] for seed in (0, 0, 1, 2, 3)]
    assert all(sorted(order) == Source.image_ids for order in orders)
    assert orders[0] == orders[1] and len({tuple(order) for order in orders}) > 1


def test_ground_truth_has_each_image_once():
    truth = ChosenImages(Source(), ROWS).coco_ground_truth()
    assert [image["id"] for image in truth["images"]] == [104, 101, 103]
    assert [annotation["id"] for annotation in truth["annotations"]] == [2, 3, 6, 7, 8, 9]
    assert truth["categories"] == Source.categories


def test_annotations_come_from_the_file_where_a_source_names_it(tmp_path):
    ids, annotations = annotations_of(Source())
    assert ids == Source.image_ids and len(annotations) == 10
    listed = [{"id": 1, "category_id": 3}, {"id": 2, "category_id": 4}, {"id": 3}]
    (tmp_path / "all.json").write_text(json.dumps({"annotations": listed}))
    source = Source()
    source.annotations = tmp_path / "all.json"
    source.image_ids = np.array([7, 5])
    assert annotations_of(source) == ([7, 5], listed[:1])  # of its categories only
