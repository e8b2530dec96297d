import numpy as np
import pytest

from panet_tf.ops.keypoint_decoding import decode_exactly

RNG = np.random.default_rng(0)


@pytest.mark.golden
def test_points_are_torchvisions(golden):
    values = golden("losses")
    logits = values["keypoint_logits"].astype("float32").transpose(0, 2, 3, 1)
    rois = values["mask_proposals_xyxy"][:, [1, 0, 3, 2]]
    found = decode_exactly(logits, rois, score="logit")
    np.testing.assert_allclose(found[..., [1, 0]], values["keypoint_decoded_xy1"][..., :2], atol=1e-4)  # pixels


def cubic(t):
    """The bicubic kernel with a = -0.75, as its definition has it."""
    t = abs(t)
    if t <= 1:
        return 1.25 * t**3 - 2.25 * t**2 + 1
    return -0.75 * t**3 + 3.75 * t**2 - 6 * t + 3 if t < 2 else 0.0


def slow_resize(plane, height, width):
    size = len(plane)
    resized = np.zeros((height, width))
    for i, j in np.ndindex(height, width):
        y, x = (i + 0.5) * size / height - 0.5, (j + 0.5) * size / width - 0.5
        for a in range(int(np.floor(y)) - 1, int(np.floor(y)) + 3):
            for b in range(int(np.floor(x)) - 1, int(np.floor(x)) + 3):
                resized[i, j] += cubic(y - a) * cubic(x - b) * plane[np.clip(a, 0, size - 1), np.clip(b, 0, size - 1)]
    return resized


@pytest.mark.parametrize("roi", [(3.2, 1.0, 7.9, 12.5), (0, 0, 23, 5), (5, 5, 5.2, 5.1)])
@pytest.mark.parametrize("score", ["softmax", "logit", "resized_softmax"])
def test_equals_a_slow_twin(roi, score):
    logits = 3 * RNG.standard_normal((1, 9, 9, 2))
    found = decode_exactly(logits, [roi], score=score)[0]
    height, width = max(roi[2] - roi[0], 1), max(roi[3] - roi[1], 1)
    for j in range(2):
        plane = logits[0, :, :, j]
        resized = slow_resize(plane, int(np.ceil(height - 1e-6)), int(np.ceil(width - 1e-6)))
        row, column = np.unravel_index(resized.argmax(), resized.shape)
        y = roi[0] + (row + 0.5) * height / len(resized)
        x = roi[1] + (column + 0.5) * width / len(resized[0])
        top = resized.max()
        over = {"softmax": plane, "resized_softmax": resized}.get(score)
        value = top if over is None else np.exp(top) / np.exp(over).sum()
        np.testing.assert_allclose(found[j], (y, x, value), rtol=1e-4)


@pytest.mark.parametrize("kind", ["noise", "smooth", "flat", "two tops", "edge"])
def test_looking_only_where_the_top_can_be_finds_it(kind):
    """Against the whole resized map, by the reading that needs all of it."""
    sizes = RNG.uniform(1, 150, (25, 2))
    rois = np.concatenate([np.zeros((25, 2)), sizes], -1)
    logits = 0.01 * RNG.standard_normal((25, 20, 20, 3))
    y, x = np.mgrid[:20, :20][..., None]
    if kind == "noise":
        logits *= 500
    elif kind == "smooth":
        logits += 9 * np.exp(-((y - RNG.uniform(0, 20, 3)) ** 2 + (x - RNG.uniform(0, 20, 3)) ** 2) / 8)
    elif kind == "flat":
        logits *= 0
    elif kind == "two tops":
        logits[:, 3, 4] = logits[:, 15, 9] = 7
    else:
        logits[:, 0, 19] += 5
        logits[:, 19, 0] += 4.99
    found, whole = (decode_exactly(logits, rois, score=score) for score in ("logit", "resized_softmax"))
    same = np.abs(found[..., :2] - whole[..., :2]).max(-1) < 1e-4
    assert np.mean(same) >= (0.9 if kind == "two tops" else 1)  # equal heights may swap by rounding, and then only


def test_points_in_the_original_image_and_regions_that_are_none():
    logits = RNG.standard_normal((3, 8, 8, 4))
    rois = np.float32([[4, 8, 24, 32], [0, 0, 0, 0], [0, 0, np.nan, 4]])
    network = decode_exactly(logits, rois)
    original = decode_exactly(logits, rois, scales=(2, 4), offsets=(100, 200))
    np.testing.assert_allclose(original[..., :2], network[..., :2] / (2, 4) + (100, 200), rtol=1e-6)
    np.testing.assert_array_equal(original[..., 2], network[..., 2])
    assert np.isfinite(network).all()
    assert decode_exactly(np.zeros((0, 8, 8, 4)), np.zeros((0, 4))).shape == (0, 4, 3)


def test_an_unknown_score():
    with pytest.raises(ValueError, match="score must be one of"):
        decode_exactly(np.zeros((1, 4, 4, 1)), np.zeros((1, 4)), score="probability")
