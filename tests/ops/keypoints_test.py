import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from panet_tf.ops.keypoint_decoding import decode_exactly
from panet_tf.ops.keypoints import decode_keypoints, keypoint_targets, keypoints_to_original

RNG = np.random.default_rng(0)


def yxv(points):
    return points[..., [1, 0, 2]].astype("float32")


@pytest.mark.golden
def test_targets_are_torchvisions(golden):
    values = golden("losses")
    cells, weights = keypoint_targets(
        yxv(values["keypoints_gt_xyv"])[None],
        values["mask_proposals_xyxy"][None][..., [1, 0, 3, 2]],
        values["mask_matched_gt"][None].astype("int32"),
        values["keypoint_logits"].shape[-1],
    )
    valid = values["keypoint_target_valid"]
    np.testing.assert_array_equal(weights[0], valid)
    np.testing.assert_array_equal(cells[0], values["keypoint_target_cell"] * valid)


def slow_target(point, roi, size):
    y, x, v = (float(value) for value in point)
    y0, x0, y1, x1 = (float(value) for value in roi)
    if v <= 0 or not (y0 <= y <= y1 and x0 <= x <= x1) or y1 <= y0 or x1 <= x0:
        return 0, 0.0
    row = min(int((y - y0) / (y1 - y0) * size), size - 1)
    column = min(int((x - x0) / (x1 - x0) * size), size - 1)
    return row * size + column, 1.0


quarter = st.integers(-40, 80).map(lambda n: n / 4)  # sides of powers of two: no rounding decides


@settings(deadline=None, max_examples=50)
@given(
    point=st.tuples(quarter, quarter, st.sampled_from([0.0, 1.0, 2.0])),
    corner=st.tuples(quarter, quarter),
    sides=st.tuples(*[st.sampled_from([0.0, 0.5, 4.0, 16.0])] * 2),
)
def test_targets_are_the_cells_that_hold_the_points(point, corner, sides):
    roi = (*corner, corner[0] + sides[0], corner[1] + sides[1])
    cells, weights = keypoint_targets(np.float32(point)[None, None, None], np.float32(roi)[None, None], [[0]], 8)
    assert (int(cells[0, 0, 0]), float(weights[0, 0, 0])) == slow_target(point, roi, 8)


def test_targets_of_nothing():
    for objects in (0, 2):
        cells, weights = keypoint_targets(np.zeros((1, objects, 4, 3)), np.zeros((1, 3, 4)), np.zeros((1, 3), int), 8)
        assert cells.shape == weights.shape == (1, 3, 4) and not np.any(weights)
    far = np.float32([[[[1e30, np.nan, 2], [np.inf, -1e30, 1]]]])
    assert not np.any(keypoint_targets(far, np.float32([[[0, 0, 5, 5]]]), [[0]], 8)[1])


def bumps(places, size=56, sharpness=0.08):
    """Smooth logits (B, R, size, size, J) with their tops at places (B, R, J, 2), in cells."""
    y, x = np.meshgrid(*[np.arange(size) + 0.5] * 2, indexing="ij")
    at_y, at_x = (places[:, :, None, None, :, axis] for axis in (0, 1))
    distance = (y[..., None] - at_y) ** 2 + (x[..., None] - at_x) ** 2
    return (20 * np.exp(-sharpness * distance / 2)).astype("float32")


def test_decoding_finds_the_tops_of_smooth_maps():
    places = RNG.uniform(3, 53, (2, 3, 4, 2))
    rois = np.float32(RNG.uniform(0, 50, (2, 3, 2)))
    rois = np.concatenate([rois, rois + np.float32(RNG.uniform(20, 300, (2, 3, 2)))], axis=-1)
    cell = (rois[..., 2:] - rois[..., :2])[:, :, None] / 56
    wanted = rois[:, :, None, :2] + places * cell
    centres = decode_keypoints(bumps(places), rois, subcell=None)[..., :2]
    assert (np.abs(centres - wanted) / cell).max() <= 0.5 + 1e-3
    between = decode_keypoints(bumps(places), rois)[..., :2]
    assert (np.abs(between - wanted) / cell).max() <= 0.03


def test_decoding_comes_near_the_exact_reading():
    """Within a cell and what rounding the exact size to pixels adds; at the map's edges too."""
    places = RNG.uniform(0, 56, (1, 20, 5, 2))
    rois = np.float32([[[10, 20, 10 + 3 * (i + 1), 20 + 17 * (i + 1)] for i in range(20)]])
    found = decode_keypoints(bumps(places), rois, score="logit").numpy()[0]
    exact = decode_exactly(bumps(places)[0], rois[0], score="logit")
    cells = np.maximum((rois[0, :, 2:] - rois[0, :, :2]) / 56, 1.0)[:, None]
    assert np.abs((found - exact)[..., :2] / cells).max() <= 1.0
    assert np.abs((found - exact)[..., :2] / cells).mean() <= 0.35
    np.testing.assert_allclose(found[10:, :, 2], exact[10:, :, 2], atol=0.5)  # regions above 56 x 56


def test_scores():
    logits = np.float32(RNG.standard_normal((1, 2, 6, 6, 3)))
    rois = np.tile(np.float32([0, 0, 6, 6]), (1, 2, 1))
    flat = logits.reshape(2, 36, 3)
    probability = (np.exp(flat) / np.exp(flat).sum(1, keepdims=True)).max(1)
    np.testing.assert_allclose(decode_keypoints(logits, rois)[0, ..., 2], probability, rtol=1e-5)
    np.testing.assert_array_equal(decode_keypoints(logits, rois, score="logit")[0, ..., 2], flat.max(1))


@pytest.mark.parametrize("subcell", ["parabola", None])
def test_flat_and_steep_maps_and_empty_regions_stay_finite(subcell):
    logits = np.zeros((1, 3, 8, 8, 2), "float32")
    logits[0, 1] = 1e30
    logits[0, 2, 0, 0] = 3e38
    found = decode_keypoints(logits, np.zeros((1, 3, 4)), subcell=subcell).numpy()
    assert np.isfinite(found).all()
    np.testing.assert_allclose(found[..., :2], 0.5 / 8, atol=1e-6)  # the first cell of a region of one pixel


def test_decoding_compiles_and_accepts_batches_of_any_size():
    spec = [tf.TensorSpec((None, None, 8, 8, 3)), tf.TensorSpec((None, None, 4))]
    logits, rois = RNG.standard_normal((2, 5, 8, 8, 3)).astype("f"), RNG.uniform(0, 9, (2, 5, 4)).astype("f")
    traced = tf.function(decode_keypoints, input_signature=spec)
    compiled = tf.function(decode_keypoints, jit_compile=True)
    for function in (traced, compiled):
        np.testing.assert_allclose(function(logits, rois), decode_keypoints(logits, rois), atol=1e-4)


@pytest.mark.parametrize("wrong", [{"subcell": "cubic"}, {"score": "resized_softmax"}])
def test_unknown_options(wrong):
    with pytest.raises(ValueError, match=f"{list(wrong)[0]} must be"):
        decode_keypoints(np.zeros((1, 1, 4, 4, 1)), np.zeros((1, 1, 4)), **wrong)


def test_points_return_to_the_original_image():
    points = np.float32([[[[10, 30, 0.5]]], [[[8, 8, 1]]]])
    found = keypoints_to_original(points, np.float32([[2, 3], [0, 0]]), np.float32([[100, 200], [0, 0]]))
    np.testing.assert_array_equal(found, [[[[105, 210, 0.5]]], [[[0, 0, 1]]]])
