import collections

import numpy as np
import pytest
import tensorflow as tf

from panet_tf.data.balanced_images import BalancedImages

CATEGORIES = ({"id": 3, "name": "common"}, {"id": 9, "name": "rare"}, {"id": 11, "name": "absent"})


class Source:
    """Seven images: all but the last show the common category, two the rare one, one of these in a crowd."""

    categories = CATEGORIES
    num_examples = 7
    image_sizes = np.tile(np.arange(7)[:, None], (1, 2))
    num_objects = np.array([1, 1, 2, 1, 1, 1, 0])

    def __init__(self, empty=False):
        pairs = [] if empty else [(i, 3, 0) for i in range(6)] + [(2, 9, 0), (4, 9, 1), (4, 9, 0)]
        self.truth = {
            "images": [{"id": 100 + i} for i in range(7)],
            "annotations": [{"image_id": 100 + i, "category_id": k, "iscrowd": c} for i, k, c in pairs],
        }

    def coco_ground_truth(self):
        return self.truth

    def sample(self, index):
        return {"image_id": index}


def test_every_category_that_is_shown_comes_equally_often():
    balanced = BalancedImages(source=Source())
    drawn = collections.Counter(balanced._rows.tolist())
    # Six of the common category, and each of the rare one's two images three times on top.
    assert drawn == {0: 1, 1: 1, 2: 4, 3: 1, 4: 4, 5: 1} and balanced.num_examples == 12
    assert balanced.image_sizes.shape == (12, 2) and balanced.categories == CATEGORIES
    assert sorted(int(s["image_id"]) for s in balanced.samples(shuffle_seed=3)) == sorted(balanced._rows.tolist())
    assert [image["id"] for image in balanced.coco_ground_truth()["images"]] == list(range(100, 106))
    assert int(balanced.sample(tf.constant(11, tf.int64))["image_id"]) in (2, 4)


def test_short_epochs_take_a_part_of_long_lists():
    balanced = BalancedImages(source=Source(), images_per_category=3)
    assert balanced.num_examples == 6 and set(balanced._rows[3:].tolist()) == {2, 4}
    assert len(set(balanced._rows[:3].tolist())) == 3
    other = BalancedImages(source=Source(), images_per_category=3, seed=5)
    assert other._rows.tolist() != balanced._rows.tolist()


def test_nothing_to_balance():
    with pytest.raises(ValueError, match="need annotations, received none in 7 images"):
        BalancedImages(source=Source(empty=True))
