import numpy as np
import pytest

from panet_tf.data.flipping import flip_left_right, flip_up_down, transpose
from panet_tf.data.mask_grids import sample_mask
from tests.listed_source import tight_box


def make_sample(seed=0, height=30, width=47):
    rng = np.random.default_rng(seed)
    masks = np.zeros((3, height, width), bool)
    for mask in masks:
        top, left = rng.integers(0, height - 9), rng.integers(0, width - 9)
        mask[top : top + 8, left : left + 7] = rng.random((8, 7)) > 0.3
    boxes = np.stack([tight_box(mask) for mask in masks])
    keypoints = np.concatenate([rng.uniform(0, 30, (3, 4, 2)), np.full((3, 4, 1), 2.0)], -1).astype(np.float32)
    keypoints[0, 0] = 0  # not labelled
    grids = np.stack([sample_mask(mask, box) for mask, box in zip(masks, boxes)])
    sample = {
        "image": rng.integers(0, 255, (height, width, 3)).astype(np.uint8),
        "boxes": boxes,
        "masks": grids,
        "keypoints": keypoints,
        "classes": np.array([1, 2, 3], np.int32),
    }
    return sample, masks


@pytest.mark.parametrize(
    ("flip", "twin"),
    [
        (flip_left_right, lambda array: array[:, ::-1]),
        (flip_up_down, lambda array: array[::-1]),
        (transpose, lambda array: array.swapaxes(0, 1)),
    ],
)
def test_a_mirror_moves_boxes_and_masks_with_the_image(flip, twin):
    sample, masks = make_sample()
    flipped = flip(sample)
    np.testing.assert_array_equal(flipped["image"], twin(sample["image"]))
    for mask, box, grid in zip(masks, flipped["boxes"].numpy(), flipped["masks"].numpy()):
        np.testing.assert_array_equal(box, tight_box(twin(mask)))
        np.testing.assert_array_equal(grid, sample_mask(twin(mask), box))
    np.testing.assert_array_equal(flipped["classes"], sample["classes"])


@pytest.mark.parametrize("flip", [flip_left_right, flip_up_down, transpose])
def test_two_mirrors_are_none(flip):
    sample, _ = make_sample(1)
    again = flip(flip(sample))
    for key, value in sample.items():
        np.testing.assert_allclose(again[key], value, atol=1e-5)  # keypoints: width - (width - x) in float32


def test_keypoints_keep_to_their_pixels():
    image = np.zeros((10, 20, 3), np.uint8)
    image[3, 4] = 255
    keypoint = np.array([[[3.5, 4.5, 2.0]]], np.float32)
    sample = {
        "image": image,
        "boxes": np.zeros((1, 4), np.float32),
        "masks": np.zeros((1, 112, 112), np.uint8),
        "keypoints": keypoint,
    }
    for flip in (flip_left_right, flip_up_down, transpose):
        flipped = flip(sample)
        y, x, _ = flipped["keypoints"][0, 0].numpy()
        assert flipped["image"].numpy()[int(y), int(x), 0] == 255


def test_a_mirror_exchanges_names_and_leaves_unlabelled_points_alone():
    sample, _ = make_sample()
    flipped = flip_left_right(sample, swaps=[1, 0, 2, 3])["keypoints"].numpy()
    np.testing.assert_allclose(flipped[1:, 0, 1], 47 - sample["keypoints"][1:, 1, 1])
    np.testing.assert_allclose(flipped[1:, 1, 0], sample["keypoints"][1:, 0, 0])
    np.testing.assert_array_equal(flipped[0, 1], np.zeros(3))
