"""Which objects patches are made of, and why others are not."""

import numpy as np
import pytest

from panet_tf.data.patch_objects import PatchObjects


class Source:
    def __init__(self, annotations):
        self.annotations_given = annotations

    def coco_ground_truth(self):
        return {"images": [{"id": 70}, {"id": 60}], "annotations": self.annotations_given}


def annotation(identity, **changes):
    whole = {"id": identity, "image_id": 60, "category_id": 9, "bbox": [0, 0, 10, 10], "area": 50.0, "iscrowd": 0}
    whole.update(changes)
    return {key: value for key, value in whole.items() if value is not None}


def test_objects_stand_by_category_and_what_is_left_out_is_counted():
    given = [
        annotation(1),
        annotation(2, category_id=3, image_id=70),
        annotation(3, area=49.9),
        annotation(4, bbox=[0, 0, 30, 4.9]),
        annotation(5, iscrowd=1),
        annotation(6, bbox=None),
        annotation(7, bbox=[1, 2, 3]),
        annotation(8, image_id=None),
        annotation(9, image_id=99),  # of an image elsewhere: not this part's to count
        annotation(None),
        annotation(10, area=None),  # its box's area counts
        annotation(11, area=None, bbox=[0, 0, 7, 7]),
        annotation(12, bbox=[0, 0, 5, 10], image_id=70),
    ]
    objects = PatchObjects(Source(given), min_area=50, min_side=5)
    assert objects.rejected == {"crowd": 1, "small": 2, "thin": 1, "incomplete": 4}
    of_category = [
        objects.ids[start : start + count].tolist() for start, count in zip(objects.starts, objects.counts, strict=True)
    ]
    assert [sorted(ids) for ids in of_category] == [[2], [1, 10, 12]]
    place = {1: 1, 2: 0, 10: 1, 12: 0}  # where the images stand in the source
    np.testing.assert_array_equal(objects.rows, [place[i] for i in objects.ids.tolist()])


def test_no_object_is_an_error():
    with pytest.raises(ValueError, match="at least one usable object, received none; left out: .*'crowd': 1"):
        PatchObjects(Source([annotation(1, iscrowd=1)]), min_area=0, min_side=0)
