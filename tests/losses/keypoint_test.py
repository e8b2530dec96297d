import numpy as np
import pytest
import tensorflow as tf

from panet_tf.losses.keypoint import keypoint_loss

RNG = np.random.default_rng(0)
LOGITS = RNG.standard_normal((2, 3, 4, 4, 5)).astype("float32")
CELLS = RNG.integers(0, 16, (2, 3, 5)).astype("int32")
WEIGHTS = np.float32(RNG.random((2, 3, 5)) < 0.5)
WEIGHTS[0, 1] = 0


@pytest.mark.golden
def test_is_torchvisions(golden):
    values = golden("losses")
    logits = values["keypoint_logits"].astype("float32").transpose(0, 2, 3, 1)[None]
    cells, valid = values["keypoint_target_cell"][None], values["keypoint_target_valid"][None]
    total, count = keypoint_loss(logits, cells, valid)
    assert float(count) == valid.sum()
    np.testing.assert_allclose(total / count, values["keypoint_loss"], rtol=1e-5)  # float32


def slow(weights):
    total = 0.0
    for i, r, j in np.ndindex(weights.shape):
        scores = LOGITS[i, r, :, :, j].astype("float64").ravel()
        total += weights[i, r, j] * (np.log(np.exp(scores).sum()) - scores[CELLS[i, r, j]])
    return total


def test_sums_over_visible_keypoints():
    for weights in (WEIGHTS, 0.5 * WEIGHTS):
        total, count = keypoint_loss(LOGITS, CELLS, weights)
        np.testing.assert_allclose(total, slow(weights), rtol=1e-5)
        assert float(count) == weights.sum()


def test_counts():
    weights = WEIGHTS.copy()
    weights[1] = 0
    regions = (weights.sum(-1) > 0).sum()
    assert float(keypoint_loss(LOGITS, CELLS, weights, normalizer="regions")[1]) == regions
    assert float(keypoint_loss(LOGITS, CELLS, weights, normalizer=20)[1]) == 20
    classes = np.int32([[1, 1, 0], [0, 0, 0]])
    assert float(keypoint_loss(LOGITS, CELLS, weights, classes=classes, normalizer=20)[1]) == 40
    classes[1] = -1
    assert float(keypoint_loss(LOGITS, CELLS, weights, classes=classes, normalizer=20)[1]) == 20
    with pytest.raises(ValueError, match="normalizer must be"):
        keypoint_loss(LOGITS, CELLS, weights, normalizer="pixels")


def test_nothing_visible_and_logits_that_overflowed():
    logits = tf.Variable(np.where(np.arange(3)[None, :, None, None, None] == 1, np.inf, LOGITS))
    with tf.GradientTape() as tape:
        total, count = keypoint_loss(logits, CELLS, np.zeros_like(WEIGHTS))
    assert float(total) == float(count) == 0 and not np.any(tape.gradient(total, logits)[:, ::2])
    total, _ = keypoint_loss(logits, CELLS, np.where(np.arange(3)[None, :, None] == 1, 0, WEIGHTS))
    assert np.isfinite(total)
