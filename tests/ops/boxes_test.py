"""Boxes against pycocotools, against algebra, and at their degenerate ends."""

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from pycocotools import mask as coco_mask

from panet_tf.ops import boxes


@st.composite
def box_arrays(draw, number=6, max_corner=1000, min_size=1.0, max_size=800.0):
    """float32 (number, 4) boxes with sides in [min_size, max_size]."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    corners = rng.uniform(-50, max_corner, (number, 2))
    sizes = np.exp(rng.uniform(np.log(min_size), np.log(max_size), (number, 2)))
    return np.concatenate([corners, corners + sizes], axis=-1).astype(np.float32)


@settings(deadline=None, max_examples=30)
@given(a=box_arrays(number=5), b=box_arrays(number=7))
def test_iou_and_ioa_equal_those_of_pycocotools(a, b):
    xywh = [np.stack([x[:, 1], x[:, 0], x[:, 3] - x[:, 1], x[:, 2] - x[:, 0]], -1).astype(np.float64) for x in (a, b)]
    expected = coco_mask.iou(*xywh, np.zeros(len(b), np.uint8))
    np.testing.assert_allclose(boxes.pairwise_iou(a, b), expected, atol=1e-5)
    expected = coco_mask.iou(*xywh, np.ones(len(b), np.uint8))  # crowds: over the area of the first
    np.testing.assert_allclose(boxes.pairwise_ioa(a, b), expected, atol=1e-5)


def test_overlaps_broadcast_over_leading_dimensions():
    rng = np.random.default_rng(0)
    a, b = rng.uniform(0, 5, (2, 3, 2)), rng.uniform(0, 5, (4, 2))
    a, b = np.concatenate([a, a + 4], -1), np.concatenate([b, b + 3], -1)
    together = boxes.pairwise_iou(a, b)
    assert together.shape == (2, 3, 4)
    np.testing.assert_array_equal(together[1], boxes.pairwise_iou(a[1], b))


def test_boxes_without_area_overlap_nothing():
    empty = np.array([[0, 0, 0, 0], [3, 3, 3, 9], [5, 5, 2, 2]], np.float32)  # the last is inverted
    full = np.array([[0, 0, 10, 10]], np.float32)
    np.testing.assert_array_equal(boxes.pairwise_iou(empty, empty), np.zeros((3, 3)))
    np.testing.assert_array_equal(boxes.pairwise_iou(full, empty), np.zeros((1, 3)))
    np.testing.assert_array_equal(boxes.pairwise_ioa(empty, full), np.zeros((3, 1)))
    assert boxes.pairwise_iou(np.zeros((0, 4)), full).shape == (0, 1)
    np.testing.assert_array_equal(boxes.box_area(np.concatenate([empty, full])), [0, 0, 0, 100])


@pytest.mark.parametrize("weights", [(1, 1, 1, 1), (10, 10, 5, 5)])
@settings(deadline=None, max_examples=30)
@given(pair=box_arrays(number=12, min_size=16.0))  # ratios up to 50; decoding clips beyond 62.5
def test_decoding_undoes_encoding(weights, pair):
    targets, anchors = pair[:6], pair[6:]
    decoded = boxes.decode_boxes(boxes.encode_boxes(targets, anchors, weights), anchors, weights)
    np.testing.assert_allclose(decoded, targets, atol=2e-2)  # pixels; float32 through exp and log at up to 1,800


def test_deltas_have_their_order_and_meaning():
    anchor = np.array([[10, 20, 14, 30]], np.float32)  # centre (12, 25), size (4, 10)
    moved = boxes.decode_boxes([[0.5, -0.1, np.log(2.0), 0.0]], anchor)
    np.testing.assert_allclose(moved, [[10, 19, 18, 29]], atol=1e-5)  # centre (14, 24), size (8, 10)


@pytest.mark.golden
def test_coding_equals_torchvision(golden):
    values = golden("ops")
    swap = [1, 0, 3, 2]  # between xyxy and yxyx, and between dx, dy, dw, dh and dy, dx, dh, dw
    targets, anchors = values["coder_gt"][:, swap], values["coder_anchors"][:, swap]
    encoded = values["coder_encoded_10_10_5_5"][:, swap]
    np.testing.assert_allclose(boxes.encode_boxes(targets, anchors, (10, 10, 5, 5)), encoded, atol=1e-4)
    decoded = boxes.decode_boxes(encoded, anchors, (10, 10, 5, 5))
    np.testing.assert_allclose(decoded, values["coder_decoded"][:, 0][:, swap], atol=1e-3)


def test_untrained_deltas_stay_finite():
    decoded = boxes.decode_boxes([[0.0, 0.0, 1e4, 100.0]], [[0.0, 0.0, 16.0, 16.0]]).numpy()
    np.testing.assert_allclose(decoded[0, 2:] - decoded[0, :2], [1000, 1000], rtol=1e-5)


def test_padding_encodes_to_finite_numbers_with_finite_gradients():
    padding, anchors = tf.zeros((3, 4)), tf.constant([[0.0, 0, 0, 0], [0, 0, 8, 8], [5, 5, 5, 5]])
    assert np.isfinite(boxes.encode_boxes(padding, anchors)).all()
    assert np.isfinite(boxes.encode_boxes(anchors, padding)).all()


def test_clipping_is_to_each_images_own_size():
    drawn = np.array([[-5, -5, 50, 70]], np.float32)
    clipped = boxes.clip_boxes(np.stack([drawn, drawn]), [[40, 60], [100, 65]])
    np.testing.assert_array_equal(clipped[:, 0], [[0, 0, 40, 60], [0, 0, 50, 65]])
    outside = boxes.clip_boxes([[[70.0, 5.0, 90.0, 9.0]]], [[40, 60]])
    np.testing.assert_array_equal(outside[0], [[40, 5, 40, 9]])


def test_flipping_keeps_the_content_of_an_image_under_its_box():
    image = np.zeros((6, 10))
    image[1:3, 2:7] = 1
    y0, x0, y1, x1 = boxes.flip_boxes([[1.0, 2.0, 3.0, 7.0]], 10).numpy().astype(int)[0]
    assert image[:, ::-1][y0:y1, x0:x1].all() and image[:, ::-1].sum() == (y1 - y0) * (x1 - x0)


def test_frames_of_original_and_network_are_each_others_inverse():
    rng = np.random.default_rng(0)
    original = np.sort(rng.uniform(0, 900, (2, 5, 2, 2)), axis=2).reshape(2, 5, 4)
    scales, offsets = np.array([[1.6, 1.5], [0.5, 0.25]]), np.array([[0, 0], [100, 30]])
    network = boxes.to_network(original, scales, offsets)
    np.testing.assert_allclose(network[1, 0, :2], (original[1, 0, :2] - [100, 30]) * [0.5, 0.25], rtol=1e-5)
    np.testing.assert_allclose(boxes.to_original(network, scales, offsets), original, atol=1e-3)
    assert np.isfinite(boxes.to_original(network, np.zeros((2, 2)), offsets)).all()  # images that pad a batch


def test_low_precision_inputs_are_computed_in_float32():
    box = tf.constant([[0.0, 0.0, 100.0, 100.0]], tf.bfloat16)
    assert boxes.decode_boxes(tf.zeros((1, 4), tf.bfloat16), box).dtype == tf.float32
    assert boxes.pairwise_iou(box, box).dtype == tf.float32
    # 255 is a bfloat16, its square is not.
    assert boxes.box_area(tf.constant([0.0, 0.0, 255.0, 255.0], tf.bfloat16)).numpy() == 255 * 255
