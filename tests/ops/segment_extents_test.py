"""Areas and boxes of segments, counted one by one."""

import numpy as np

from panet_tf.ops.segment_extents import segment_extents


def test_areas_and_boxes():
    labels = np.random.default_rng(0).integers(0, 40, (11, 17))
    areas, boxes = segment_extents(labels, 50)
    assert areas.shape == (50,) and boxes.shape == (50, 4)
    for number, (area, box) in enumerate(zip(areas, boxes), start=1):
        rows, columns = np.nonzero(labels == number)
        assert area == len(rows)
        expected = (rows.min(), columns.min(), rows.max() + 1, columns.max() + 1) if len(rows) else (0, 0, 0, 0)
        assert tuple(box) == expected


def test_nothing():
    areas, boxes = segment_extents(np.zeros((3, 4), "int32"), 0)
    assert areas.shape == (0,) and boxes.shape == (0, 4)
