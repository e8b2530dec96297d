import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from panet_tf.data.cropping import crop_sample
from panet_tf.data.mask_grids import sample_mask
from tests.listed_source import coin_image, iou, paste, tight_box


def make_sample(height, width, coins, **extra):
    image, masks = coin_image(height, width, coins)
    boxes = np.array([tight_box(mask) for mask in masks], np.float32).reshape(-1, 4)
    grids = np.array([sample_mask(mask, box) for mask, box in zip(masks, boxes)], np.uint8).reshape(-1, 112, 112)
    sample = {
        "image": image,
        "boxes": boxes,
        "masks": grids,
        "classes": np.arange(1, len(masks) + 1, dtype=np.int32),
        "is_crowd": np.zeros(len(masks), bool),
        "offset": np.zeros(2, np.float32),
        **extra,
    }
    return sample, masks


def _box_in_window(mask, begin, end):
    """Tight box, in the mask's pixels, of what lies between two corners."""
    inside = np.zeros_like(mask)
    rows, columns = (slice(max(low, 0), max(high, 0)) for low, high in zip(begin, end))
    inside[rows, columns] = mask[rows, columns]
    return tight_box(inside)


@given(st.integers(0, 2**32 - 1))
@settings(deadline=None, max_examples=50)
def test_a_crop_agrees_with_a_crop_of_full_masks(seed):
    rng = np.random.default_rng(seed)
    height, width = rng.integers(40, 140, 2)
    coins = [(rng.uniform(0, height), rng.uniform(0, width), rng.uniform(2, 50)) for _ in range(rng.integers(1, 6))]
    sample, masks = make_sample(height, width, coins)
    cut = rng.integers(8, (height, width))
    corner = rng.integers(0, (height - cut[0] + 1, width - cut[1] + 1))
    window = np.concatenate([corner, cut]).astype(np.int32)
    cropped = crop_sample(sample, window, min_visible=0.2)
    np.testing.assert_array_equal(cropped["offset"], corner)
    found = dict(zip(cropped["classes"].numpy(), zip(cropped["boxes"].numpy(), cropped["masks"].numpy())))
    for label, mask in enumerate(masks, start=1):
        rest = mask[corner[0] : corner[0] + cut[0], corner[1] : corner[1] + cut[1]]
        share = rest.sum() / mask.sum()
        if abs(share - 0.2) < 0.02:
            continue  # counted on the grid, to about 1 %
        assert (label in found) == (share >= 0.2)
        if label in found:
            box, grid = found[label]
            # A cell of the grid is at most a pixel here (radius up to 50), and a cell goes by its centre: the mask may
            # be cut half a pixel beside the window's edge, where a coin's rim may be steep.
            tight = [
                _box_in_window(mask, corner - grown, corner + cut + grown) - corner[[0, 1, 0, 1]] for grown in (-1, 1)
            ]
            lowest, highest = np.minimum(*tight), np.maximum(*tight)
            assert (box >= lowest - 1).all() and (box <= highest + 1).all()
            # A pixel wide rim of what is left may go either way.
            assert iou(paste(grid, box, *cut), rest) > 1 - 4 / np.sqrt(rest.sum())


def test_a_window_of_the_whole_image_changes_nothing():
    sample, _ = make_sample(60, 80, [(20, 30, 12), (50, 70, 25), (0, 0, 9)])
    cropped = crop_sample(sample, np.array([0, 0, 60, 80], np.int32))
    for key, value in sample.items():
        np.testing.assert_array_equal(cropped[key], value)


def test_an_instance_inside_the_window_only_moves():
    sample, _ = make_sample(60, 80, [(20.3, 30.9, 8.2)])
    sample["boxes"] = sample["boxes"] + np.float32(0.125)
    cropped = crop_sample(sample, np.array([5, 10, 40, 60], np.int32))
    np.testing.assert_array_equal(cropped["boxes"], sample["boxes"] - np.array([5, 10, 5, 10], np.float32))
    np.testing.assert_array_equal(cropped["masks"], sample["masks"])


@pytest.mark.parametrize(("min_visible", "kept"), [(0.0, [1, 2]), (0.4, [1, 2]), (0.6, [1])])
def test_what_hardly_shows_is_dropped(min_visible, kept):
    # The window's edge runs through the middle of the second coin; the third lies outside.
    sample, _ = make_sample(100, 100, [(20, 20, 8), (50, 50, 10), (90, 90, 5)])
    cropped = crop_sample(sample, np.array([0, 0, 70, 50], np.int32), min_visible)
    np.testing.assert_array_equal(cropped["classes"], kept)


def test_crowds_stay_while_anything_shows():
    sample, _ = make_sample(100, 100, [(50, 50, 10)], is_crowd=np.array([True]))
    cropped = crop_sample(sample, np.array([0, 0, 42, 100], np.int32), min_visible=0.9)
    assert cropped["is_crowd"].numpy().tolist() == [True]
    assert crop_sample(sample, np.array([0, 0, 30, 100], np.int32))["boxes"].shape == (0, 4)


def test_keypoints_outside_the_window_are_no_longer_labelled():
    keypoints = np.array([[[45, 48, 2], [55, 52, 1], [0, 0, 0]]], np.float32)
    sample, _ = make_sample(100, 100, [(50, 50, 10)], keypoints=keypoints)
    cropped = crop_sample(sample, np.array([40, 40, 12, 20], np.int32))
    np.testing.assert_array_equal(cropped["keypoints"][0], [[5, 8, 2], [0, 0, 0], [0, 0, 0]])


def test_an_image_without_instances_is_cut_too():
    sample, _ = make_sample(50, 50, [])
    cropped = crop_sample(sample, np.array([10, 10, 20, 30], np.int32))
    assert cropped["image"].shape == (20, 30, 3) and cropped["masks"].shape == (0, 112, 112)
