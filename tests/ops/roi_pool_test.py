"""RoIPool and RoIWarp against torchvision and against loops, gradients included."""

import numpy as np
import pytest
import tensorflow as tf

from panet_tf.ops.roi_align import roi_align
from panet_tf.ops.roi_pool import roi_pool, roi_pool_levels, roi_warp, roi_warp_levels
from tests.ops.roi_align_test import random_rois

RNG = np.random.default_rng(0)


def whole(value):
    """C's round: halves away from zero."""
    return int(np.sign(value) * np.floor(abs(value) + 0.5))


def slow_pool(features, roi, stride, bins):
    """Values (bins, bins, C) and the flat cells that they come from, -1 where there is none."""
    y0, x0, y1, x1 = (whole(value) for value in np.float32(roi) * np.float32(1 / stride))
    part = [np.float32(max(high - low + 1, 1)) / np.float32(bins) for low, high in ((y0, y1), (x0, x1))]
    height, width, channels = features.shape
    values, cells = np.zeros((bins, bins, channels), "f"), np.full((bins, bins, channels), -1)
    for i, j in np.ndindex(bins, bins):
        ends = []
        for start, k, length, size in ((y0, i, part[0], height), (x0, j, part[1], width)):
            ends += [
                np.clip(start + end, 0, size) for end in (int(np.floor(k * length)), int(np.ceil((k + 1) * length)))
            ]
        patch = features[ends[0] : ends[1], ends[2] : ends[3]]
        if patch.size:
            flat = patch.reshape(-1, channels)
            values[i, j] = flat.max(0)
            y, x = np.divmod(flat.argmax(0), patch.shape[1])
            cells[i, j] = (ends[0] + y) * width + ends[2] + x
    return values, cells


@pytest.mark.golden
@pytest.mark.parametrize("jit_compile", [None, True])
def test_values_equal_torchvision(golden, jit_compile):
    recorded = golden("ops")
    features = tf.constant(recorded["feature_nchw"].transpose(0, 2, 3, 1))
    image = recorded["rois_bxyxy"][:, 0].astype(int)
    rois = tf.constant(np.stack([recorded["rois_bxyxy"][:, [2, 1, 4, 3]]] * len(features)))
    stride = 1 / recorded["spatial_scale"]

    @tf.function(jit_compile=jit_compile)
    def run(features):
        return roi_pool(features, rois, stride=stride, output_size=7)

    pooled = run(features).numpy()[image, np.arange(len(image))]
    np.testing.assert_array_equal(pooled, recorded["roi_pool_7x7"].transpose(0, 2, 3, 1))  # values are only chosen


@pytest.mark.parametrize("jit_compile", [None, True])
def test_values_and_gradients_equal_loops(jit_compile):
    # Few different values: many are equal, and the first of them takes the gradient.
    features = tf.constant(RNG.integers(0, 4, (2, 13, 26, 3)), tf.float32)
    rois = random_rois(RNG, (2, 12), 104, 208)
    rois = tf.concat([rois, tf.constant([[[-30.0, 5, 300, 300], [110, 230, 120, 240], [0, 0, 104, 208]]] * 2)], axis=1)
    upstream = tf.constant(RNG.standard_normal((2, 15, 3, 3, 3)), tf.float32)

    @tf.function(jit_compile=jit_compile)
    def run(features, rois):
        with tf.GradientTape() as tape:
            tape.watch([features, rois])
            pooled = roi_pool(features, rois, stride=8, output_size=3)
            loss = tf.reduce_sum(pooled * upstream)
        to_features, to_rois = tape.gradient(loss, [features, rois])
        assert to_rois is None
        return pooled, to_features

    pooled, gradient = run(features, rois)
    expected = np.zeros((2, 13 * 26, 3))
    for b, r in np.ndindex(2, 15):
        values, cells = slow_pool(features[b].numpy(), rois[b, r], 8, 3)
        np.testing.assert_array_equal(pooled[b, r], values)
        for i, j, c in np.argwhere(cells >= 0):
            expected[b, cells[i, j, c], c] += upstream[b, r, i, j, c]
    assert (cells == -1).any() or np.any(np.asarray(pooled) == 0)
    np.testing.assert_allclose(gradient, expected.reshape(2, 13, 26, 3), atol=1e-5)


@pytest.mark.parametrize("operator, levels_operator", [(roi_pool, roi_pool_levels), (roi_warp, roi_warp_levels)])
def test_each_region_is_pooled_from_its_level(operator, levels_operator):
    levels = {f"P{n}": tf.constant(RNG.standard_normal((2, 64 >> n, 96 >> n, 2)), tf.float32) for n in (2, 3, 4)}
    rois = random_rois(RNG, (2, 10), 64, 96)
    level_index = RNG.integers(0, 3, (2, 10))
    every = [operator(m, rois, stride=4 << n, output_size=(2, 4)).numpy() for n, m in enumerate(levels.values())]
    found = levels_operator(levels, rois, tf.constant(level_index), output_size=(2, 4))
    np.testing.assert_allclose(found, np.choose(level_index[..., None, None, None], every), atol=1e-6)


def test_warping_aligns_what_was_rounded():
    features = tf.constant(RNG.standard_normal((1, 12, 12, 2)), tf.float32)
    rois = tf.constant([[[13.0, 21.9, 50.0, 90.1], [20.0, 20.0, 20.0, 20.0]]])
    rounded = tf.constant([[[16.0, 24.0, 56.0, 96.0], [24.0, 24.0, 32.0, 32.0]]])  # first cell, behind the last cell
    for pooling in ("average", "max"):
        found = roi_warp(features, rois, stride=8, output_size=3, pooling=pooling)
        np.testing.assert_allclose(found, roi_align(features, rounded, stride=8, output_size=3, pooling=pooling))


def test_no_regions_and_unknown_shapes():
    @tf.function(input_signature=[tf.TensorSpec((None, None, None, 2)), tf.TensorSpec((None, None, 4))])
    def run(features, rois):
        return roi_pool(features, rois, stride=4, output_size=2)

    assert run(tf.ones((1, 8, 8, 2)), tf.zeros((1, 0, 4))).shape == (1, 0, 2, 2, 2)
    np.testing.assert_array_equal(run(-tf.ones((2, 6, 9, 2)), tf.constant([[[0, 0, 24, 36.0]]] * 2)), -1)
