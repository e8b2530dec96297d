import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from pycocotools import mask as mask_utils

from panet_tf.data.mask_grids import sample_mask
from panet_tf.data.segment_maps import encode_map, number_segments, segment_instances
from panet_tf.ops.segment_extents import segment_extents
from tests.listed_source import tight_box


@given(st.integers(0, 2**32 - 1))
@settings(deadline=None, max_examples=30)
def test_numbers_extents_and_masks_of_random_maps(seed):
    rng = np.random.default_rng(seed)
    ids = rng.choice(2**24, rng.integers(0, 12), replace=False)
    present = np.array([0, 5, *ids])[rng.integers(0, len(ids) + 2, rng.integers(1, 30, 2))]  # 5: an id nobody listed
    segment_map = number_segments(present, ids)
    assert segment_map.dtype == np.uint16
    areas, boxes = segment_extents(segment_map, len(ids))
    for number, identity in enumerate(ids, start=1):
        shown = present == identity
        if identity != 5:
            np.testing.assert_array_equal(segment_map == number, shown)
        assert areas[number - 1] == shown.sum()
        np.testing.assert_array_equal(boxes[number - 1], tight_box(shown) if shown.any() else [0] * 4)
    shown = np.flatnonzero(areas)
    grids, runs = segment_instances(segment_map, shown + 1, boxes[shown])
    for number, box, grid, counts in zip(shown + 1, boxes[shown], grids, runs, strict=True):
        mask = segment_map == number
        np.testing.assert_array_equal(np.unpackbits(grid, axis=-1), sample_mask(mask, box))
        np.testing.assert_array_equal(mask_utils.decode({"size": list(mask.shape), "counts": counts}), mask)


@pytest.mark.parametrize("highest", [0, 1, 255, 256, 65535])
def test_a_map_survives_its_png(highest):
    segment_map = np.random.default_rng(0).integers(0, highest + 1, (7, 9)).astype(np.uint16)
    decoded = tf.io.decode_png(encode_map(segment_map), channels=1, dtype=tf.uint16)
    np.testing.assert_array_equal(decoded[..., 0], segment_map)


def test_too_many_segments_are_refused():
    with pytest.raises(ValueError, match="at most 65535"):
        number_segments(np.zeros((2, 2), int), np.arange(65536))
