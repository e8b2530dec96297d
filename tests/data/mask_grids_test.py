import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from panet_tf.data.mask_grids import pack_masks, resample_masks, sample_mask, unpack_masks
from tests.listed_source import coin_image, iou, paste, tight_box


def test_unpacking_undoes_packing():
    grids = np.random.default_rng(0).integers(0, 2, (3, 112, 112)).astype(np.uint8)
    packed = pack_masks(grids)
    assert packed.shape == (3, 112, 14) and packed.dtype == np.uint8
    np.testing.assert_array_equal(unpack_masks(packed), grids)
    assert unpack_masks(packed[:0]).shape == (0, 112, 112)


def test_samples_are_the_pixels_under_the_grid_centres():
    mask = np.random.default_rng(1).random((40, 50)) > 0.5
    # 112 samples of 7 x 14 pixels: 16 and 8 samples a pixel, each pixel the same number of times.
    grid = sample_mask(mask, (3, 4, 10, 18))
    np.testing.assert_array_equal(grid, mask[3:10, 4:18].repeat(16, 0).repeat(8, 1))


def test_parts_of_a_box_outside_the_image_are_zero():
    grid = sample_mask(np.ones((10, 10)), (-5, 0, 5, 10))
    assert not grid[:56].any() and grid[56:].all()


@pytest.mark.parametrize("radius", [2, 9, 40, 55, 150])
def test_a_grid_pasted_back_is_the_mask(radius):
    _, (mask,) = coin_image(320, 400, [(150, 200, radius)])
    box = tight_box(mask)
    # Up to 112 pixels a side nothing is lost; above, the outline is known to one cell.
    assert iou(paste(sample_mask(mask, box), box, 320, 400), mask) >= (1.0 if radius <= 56 else 0.98)


def test_resampling_over_the_same_box_changes_nothing():
    rng = np.random.default_rng(2)
    grids = rng.integers(0, 2, (20, 112, 112)).astype(np.uint8)
    boxes = rng.uniform(0, 500, (20, 4)).astype(np.float32)
    boxes[:, 2:] = boxes[:, :2] + rng.uniform(3, 700, (20, 2))
    np.testing.assert_array_equal(resample_masks(grids, boxes, boxes), grids)


@given(st.integers(0, 2**32 - 1))
@settings(deadline=None, max_examples=40)
def test_resampling_reads_where_the_new_grid_lies(seed):
    rng = np.random.default_rng(seed)
    grid = rng.integers(0, 2, (112, 112)).astype(np.uint8)
    frame = np.concatenate([rng.uniform(-50, 50, 2), rng.uniform(60, 300, 2)])
    box = np.concatenate([rng.uniform(-80, 50, 2), rng.uniform(60, 330, 2)])
    expected, doubtful = np.zeros((112, 112), np.uint8), np.zeros((112, 112), bool)
    for i in range(112):
        for j in range(112):
            place = [
                (box[k] + (n + 0.5) / 112 * (box[k + 2] - box[k]) - frame[k]) / (frame[k + 2] - frame[k]) * 112
                for k, n in ((0, i), (1, j))
            ]
            doubtful[i, j] = any(abs(p - round(p)) < 1e-3 for p in place)  # float32 may round either way
            row, column = (int(np.floor(p)) for p in place)
            if 0 <= row < 112 and 0 <= column < 112:
                expected[i, j] = grid[row, column]
    result = resample_masks(grid[None], frame[None].astype(np.float32), box[None].astype(np.float32))[0].numpy()
    np.testing.assert_array_equal(result[~doubtful], expected[~doubtful])


def test_boxes_without_area_and_without_instances_are_fine():
    grids = np.ones((1, 112, 112), np.uint8)
    box = np.array([[3, 3, 3, 3]], np.float32)
    assert np.isfinite(resample_masks(grids, box, box).numpy()).all()
    assert resample_masks(grids[:0], box[:0], box[:0]).shape == (0, 112, 112)
