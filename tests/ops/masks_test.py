"""Mask targets against torchvision and a point-by-point twin; pasting against its definition and back again."""

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from panet_tf.ops.masks import mask_targets, paste_masks, paste_masks_numpy


def slow_target(mask, frame, roi, size):
    """One sample a bin, at its centre, by the definition."""
    cells_y, cells_x = mask.shape
    target = np.zeros((size, size))
    for i in range(size):
        for j in range(size):
            y = roi[0] + (i + 0.5) * (roi[2] - roi[0]) / size
            x = roi[1] + (j + 0.5) * (roi[3] - roi[1]) / size
            if not (frame[0] <= y <= frame[2] and frame[1] <= x <= frame[3]):
                continue
            t = np.clip((y - frame[0]) / (frame[2] - frame[0]) * cells_y - 0.5, 0, cells_y - 1)
            u = np.clip((x - frame[1]) / (frame[3] - frame[1]) * cells_x - 0.5, 0, cells_x - 1)
            a, b = min(int(t), cells_y - 2), min(int(u), cells_x - 2)
            t, u = t - a, u - b
            target[i, j] = (mask[a, b] * (1 - u) + mask[a, b + 1] * u) * (1 - t)
            target[i, j] += (mask[a + 1, b] * (1 - u) + mask[a + 1, b + 1] * u) * t
    return target


def test_targets_equal_their_definition():
    rng = np.random.default_rng(0)
    masks = (rng.random((2, 3, 12, 12)) < 0.5).astype(np.uint8)
    corners, sizes = rng.uniform(0, 50, (2, 3, 2)), rng.uniform(5, 40, (2, 3, 2))
    frames = np.concatenate([corners, corners + sizes], axis=-1).astype(np.float32)
    indices = rng.integers(0, 3, (2, 8))
    shifts = rng.normal(0, 4, (2, 8, 4))
    rois = (np.take_along_axis(frames, indices[..., None], 1) + shifts).astype(np.float32)
    rois[..., 2:] = np.maximum(rois[..., 2:], rois[..., :2] + 1)
    run = tf.function(mask_targets, jit_compile=True, autograph=False)
    for targets in (
        mask_targets(masks, frames, rois, indices, 7, soft=True),
        run(masks, frames, rois, indices, 7, soft=True),
    ):
        for image in range(2):
            for r, n in enumerate(indices[image]):
                expected = slow_target(masks[image, n].astype(float), frames[image, n], rois[image, r], 7)
                np.testing.assert_allclose(targets[image, r], expected, atol=1e-4)
    hard = mask_targets(masks, frames, rois, indices, 7)
    assert set(np.unique(hard)) == {0, 1}
    np.testing.assert_array_equal(hard, targets >= 0.5)


@pytest.mark.golden
@pytest.mark.parametrize("jit_compile", [False, True])
def test_adaptive_targets_of_full_size_masks_equal_torchvision(golden, jit_compile):
    values = golden("losses")
    masks, rois = values["mask_gt_full"], values["mask_proposals_xyxy"][:, [1, 0, 3, 2]]
    height, width = masks.shape[1:]
    # torchvision's unaligned RoIAlign takes the pixel with index y at position y: a frame half a pixel up and left.
    frames = np.tile(np.array([[-0.5, -0.5, height - 0.5, width - 0.5]], np.float32), (len(masks), 1))

    @tf.function(jit_compile=jit_compile, autograph=False)
    def run(masks, frames, rois, indices):
        return mask_targets(masks, frames, rois, indices, 28, soft=True, samples=0)

    targets = run(masks[None], frames[None], rois[None], values["mask_matched_gt"][None].astype(np.int32))
    np.testing.assert_allclose(targets[0], values["mask_targets_28"], atol=1e-4)


def test_a_roi_equal_to_the_frame_copies_the_mask():
    rng = np.random.default_rng(1)
    masks = (rng.random((1, 1, 14, 14)) < 0.5).astype(np.uint8)
    frame = np.array([[[3.0, 5.0, 45.0, 19.0]]], np.float32)
    np.testing.assert_array_equal(mask_targets(masks, frame, frame, [[0]], 14)[0, 0], masks[0, 0])


def test_half_is_foreground():
    masks = np.array([[[[1, 0], [1, 0]]]], np.uint8)  # value 0.5 midway between its columns
    roi = np.array([[[0.0, 1.0, 4.0, 3.0]]], np.float32)
    assert mask_targets(masks, [[[0.0, 0.0, 4.0, 4.0]]], roi, [[0]], 1).numpy().item() == 1


def test_targets_without_objects_or_area_are_zero():
    rois = tf.constant([[[0.0, 0.0, 8.0, 8.0], [4.0, 4.0, 4.0, 4.0], [9.0, 9.0, 3.0, 3.0]]])
    nothing = mask_targets(tf.zeros((1, 0, 5, 5)), tf.zeros((1, 0, 4)), rois, tf.zeros((1, 3), tf.int32), 6)
    np.testing.assert_array_equal(nothing, np.zeros((1, 3, 6, 6)))
    for samples in (0, 1):
        padding = mask_targets(tf.ones((1, 1, 5, 5)), tf.zeros((1, 1, 4)), rois, [[0, 0, 0]], 6, samples=samples)
        np.testing.assert_array_equal(padding, np.zeros((1, 3, 6, 6)))
        full = mask_targets(tf.ones((1, 1, 5, 5)), [[[0.0, 0, 8, 8]]], rois, [[0, 0, 0]], 6, samples=samples)
        np.testing.assert_array_equal(full[0], np.array([1, 0, 0])[:, None, None] * np.ones((6, 6)))


def slow_paste(mask, box, size):
    """Bilinear interpolation with zeros around the grid, pixel by pixel, cut to the box."""
    cells = mask.shape[0]
    padded = np.pad(mask, 1)
    result = np.zeros(size)
    for i in range(size[0]):
        for j in range(size[1]):
            y, x = i + 0.5, j + 0.5
            if box[2] <= box[0] or box[3] <= box[1] or not (box[0] <= y <= box[2] and box[1] <= x <= box[3]):
                continue
            t = (y - box[0]) / (box[2] - box[0]) * cells - 0.5 + 1  # index in the padded grid
            u = (x - box[1]) / (box[3] - box[1]) * cells - 0.5 + 1
            a, b = min(int(t), cells), min(int(u), cells)
            t, u = t - a, u - b
            result[i, j] = (padded[a, b] * (1 - u) + padded[a, b + 1] * u) * (1 - t)
            result[i, j] += (padded[a + 1, b] * (1 - u) + padded[a + 1, b + 1] * u) * t
    return result


@settings(deadline=None, max_examples=20)
@given(seed=st.integers(0, 2**32 - 1))
def test_pasting_equals_its_definition_and_its_numpy_twin(seed):
    rng = np.random.default_rng(seed)
    masks = rng.random((5, 6, 6)).astype(np.float32)
    corners = rng.uniform(-15, 25, (5, 2))
    boxes = np.concatenate([corners, corners + np.exp(rng.uniform(-1, 3.5, (5, 2)))], axis=-1).astype(np.float32)
    boxes[0, 2:] = boxes[0, :2]  # no area
    pasted = paste_masks(masks, boxes, (20, 30)).numpy()
    for mask, box, result in zip(masks, boxes, pasted):
        np.testing.assert_allclose(result, slow_paste(mask, box, (20, 30)), atol=1e-4)
    for rule in (True, "inclusive"):
        whole = paste_masks(masks, boxes, (20, 30), whole_pixels=rule)
        expected = paste_masks_numpy(masks, boxes, (20, 30), threshold=0.4, whole_pixels=rule)
        clear = np.abs(whole - 0.4) > 1e-4
        np.testing.assert_array_equal(expected[clear], whole.numpy()[clear] >= 0.4)
    twin = paste_masks_numpy(masks, boxes, (20, 30), threshold=0.4)
    assert twin.dtype == bool and twin.shape == pasted.shape
    clear = np.abs(pasted - 0.4) > 1e-4
    np.testing.assert_array_equal(twin[clear], pasted[clear] >= 0.4)


def test_a_full_mask_covers_exactly_the_pixels_whose_centres_are_in_the_box():
    boxes = np.array([[3, 4, 9, 12], [2.4, 2.6, 7.4, 7.6]], np.float32)
    expected = np.zeros((2, 15, 15), bool)
    expected[0, 3:9, 4:12] = True
    # Centres 2.5 .. 6.5 and 3.5 .. 7.5 lie inside; in the corners of a fractional box zeros outweigh both axes' edges.
    expected[1, 2:7, 3:8] = True
    masks = np.ones((2, 28, 28), np.float32)
    pasted = paste_masks(masks, boxes, (15, 15)).numpy()
    np.testing.assert_array_equal(pasted[0] >= 0.5, expected[0])
    assert not pasted[~expected].any()
    np.testing.assert_array_equal(pasted[1, 3:6, 4:7] >= 0.5, np.ones((3, 3), bool))


def test_pasting_is_compiled_and_batched():
    rng = np.random.default_rng(2)
    masks = rng.random((2, 3, 5, 5)).astype(np.float32)
    boxes = np.sort(rng.uniform(0, 12, (2, 3, 2, 2)), axis=2).reshape(2, 3, 4).astype(np.float32)
    run = tf.function(lambda m, b: paste_masks(m, b, (12, 12)), jit_compile=True, autograph=False)
    pasted = run(masks, boxes)
    assert pasted.shape == (2, 3, 12, 12)
    for image in range(2):
        np.testing.assert_allclose(pasted[image], paste_masks(masks[image], boxes[image], (12, 12)), atol=1e-5)
    assert paste_masks(np.zeros((0, 5, 5)), np.zeros((0, 4)), (7, 8)).shape == (0, 7, 8)
    assert paste_masks_numpy(np.zeros((0, 5, 5)), np.zeros((0, 4)), (7, 8)).shape == (0, 7, 8)


def test_cutting_and_pasting_recover_a_shape():
    y, x = np.mgrid[:64, :64] + 0.5
    disc = ((y - 30) ** 2 + (x - 34) ** 2 < 20**2).astype(np.float32)
    box = np.array([[[10.0, 14.0, 50.0, 54.0]]], np.float32)
    whole_image = np.array([[[0.0, 0.0, 64.0, 64.0]]], np.float32)
    target = mask_targets(disc[None, None], whole_image, box, [[0]], 40, soft=True)
    np.testing.assert_array_equal(paste_masks_numpy(target[0].numpy(), box[0], (64, 64))[0], disc > 0)
