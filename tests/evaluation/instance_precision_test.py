"""One mask against one map, and the curve; the rules as a whole are in `cityscapes_evaluator_test`."""

import numpy as np
import pytest

from panet_tf.evaluation.instance_precision import (
    OVERLAPS,
    JudgedMask,
    average_precision,
    judge_mask,
    objects_that_count,
    region_areas,
)


def test_what_is_kept_of_a_mask():
    ids = np.full((20, 20), 7)
    ids[:10, :10], ids[:10, 10:15], ids[12:14], ids[15:] = 26003, 26, 26001, 4
    areas = region_areas(ids)
    assert (areas[26003], areas[26], areas[26001], areas[4]) == (100, 50, 40, 100)
    assert objects_that_count(areas, 26, 100) == 1 and objects_that_count(areas, 26, 40) == 2
    assert objects_that_count(areas, 24, 0) == 0
    window = np.ones((14, 12), bool)  # 80 pixels of the object, 16 of the group, 24 of the small one
    found = judge_mask(ids, areas, window, 2, 0, label_id=26, score=0.5)
    group, small, void = 16, 24, 12
    # The group is small too, and a small group's pixels are ignored twice.
    assert found == JudgedMask(0.5, 80 / (100 + 168 - 80), 26003, (2 * group + small + void) / 168)
    assert judge_mask(ids, areas, window, 2, 0, label_id=24, score=0.5) == JudgedMask(0.5, 0.0, -1, void / 168)
    assert judge_mask(ids, areas, ~window, 2, 0, label_id=26, score=0.5) is None
    assert judge_mask(ids, areas, np.ones((10, 5), bool), 0, 10, label_id=26, score=1.0) == JudgedMask(
        1.0, 1.0, -1, 2.0
    )


@pytest.mark.parametrize("values", [[[-1, 7]], [[7, 2**16]]])
def test_ids_have_sixteen_bits(values):
    with pytest.raises(ValueError, match="must be 0 to 65535"):
        region_areas(np.array(values))


def test_the_curve():
    right, wrong, left_out = JudgedMask(0.9, 0.7, 3, 0.0), JudgedMask(0.5, 0.2, -1, 0.1), JudgedMask(0.99, 0.9, -1, 0.0)
    assert OVERLAPS[2] > 0.6 and len(OVERLAPS) == 10
    assert np.isnan(average_precision([right], 0, 0.5)) and average_precision([], 2, 0.5) == 0.0
    assert average_precision([left_out], 2, 0.5) == 0.0  # nothing is left
    assert average_precision([right, left_out], 1, 0.5) == 1.0
    assert average_precision([right], 1, 0.7) == 0.0  # not above
    assert average_precision([wrong._replace(ignored=0.51), right], 1, 0.5) == 1.0
    # Points (1/2, 1/2), (1/2, 1), (0, 1) of recall and precision, of widths 0, 1/4 and 1/4.
    assert average_precision([wrong, right], 2, 0.5) == 0.5
