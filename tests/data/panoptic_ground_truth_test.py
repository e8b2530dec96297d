"""Segments of an image in the data's own ids, against counting pixels one segment at a time."""

import numpy as np
import pytest

from panet_tf.data.panoptic_ground_truth import PanopticGroundTruth

CATEGORIES = ({"id": 92, "name": "grass", "isthing": 0}, {"id": 1, "name": "person", "isthing": 1})


def test_segments_are_those_of_the_map():
    rng = np.random.default_rng(0)
    maps = rng.integers(0, 5, (2, 6, 7)).astype("uint16")
    maps[0][maps[0] == 2] = 0  # a segment without a pixel
    ids, places, crowds = np.array([300, 7, 2**24 - 1, 9]), np.array([1, 2, 2, 1]), np.array([0, 0, 1, 0], bool)
    truth = PanopticGroundTruth(
        categories=CATEGORIES, image_ids=np.array([50, 40]), read=lambda row: (maps[row], ids, places, crowds)
    )
    assert truth.image_ids == [50, 40] and truth.categories == CATEGORIES
    for row, image_id in enumerate(truth.image_ids):
        labels, segments = truth.ground_truth(image_id)
        shown = [number for number in range(1, 5) if (maps[row] == number).any()]
        assert len(segments) == len(shown) and labels.dtype == np.int32
        for number, segment in zip(shown, segments):
            mask = maps[row] == number
            y, x = np.nonzero(mask)
            box = [x.min(), y.min(), x.max() + 1 - x.min(), y.max() + 1 - y.min()]
            assert segment["id"] == ids[number - 1] and segment["category_id"] == (92, 1, 1, 92)[number - 1]
            assert segment["area"] == mask.sum() and segment["bbox"] == box
            assert segment["iscrowd"] == int(number == 3)
            np.testing.assert_array_equal(labels == segment["id"], mask)
        np.testing.assert_array_equal(labels == 0, maps[row] == 0)
    assert 7 not in [segment["id"] for segment in truth.ground_truth(50)[1]]
    with pytest.raises(ValueError, match="one of the 2 in the data, received 41"):
        truth.ground_truth(41)
