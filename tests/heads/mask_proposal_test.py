"""DeepMask's heads: parts, loops, and that a map gives at every place what the window there gives."""

import math

import keras
import numpy as np
import pytest
import tensorflow as tf

from panet_tf.heads.mask_proposal import MaskProposalHead
from tests.layer_checks import check_layer, randomize

SMALL = {"kernel_size": 4, "channels": 6, "rank": 5, "mask_size": 3, "score_units": 7}


def test_layer(tmp_path):
    x = np.random.default_rng(0).normal(size=(2, 5, 6, 8)).astype("float32")
    check_layer(
        MaskProposalHead, SMALL, x, {"mask_logits": (2, 2, 3, 3, 3), "scores": (2, 2, 3)}, 10, dynamic_axes=(1, 2),
        mixed_dtypes={"mask_logits": "bfloat16", "scores": "float32"}, tmp_path=tmp_path,
    )  # fmt: skip
    with pytest.raises(ValueError, match="variant must be"):
        MaskProposalHead(variant="d")


@pytest.mark.parametrize(
    "variant, kernel, channels, weights",
    [("c", 4, None, 8), ("b", 4, 6, 12), ("a", 4, 6, 14), ("original", 4, 6, 12), ("original", 5, 6, 12)],
)
def test_a_map_gives_what_its_windows_give(variant, kernel, channels, weights):
    """And each window what loops over the definition give; the original score pools with a stride of 2."""
    head = MaskProposalHead(**{**SMALL, "kernel_size": kernel, "channels": channels}, variant=variant)
    x = np.random.default_rng(1).normal(size=(1, kernel + 2, kernel + 1, 8)).astype("float32")
    whole = head(x)
    randomize(head)
    whole = {key: value.numpy() for key, value in head(x).items()}
    assert len(head.trainable_weights) == weights
    assert whole["scores"].shape == (1, 3, 2)
    for i in range(3):
        for j in range(2):
            window = x[0, i : i + kernel, j : j + kernel]
            mask, score = slow_head(head, window)
            np.testing.assert_allclose(whole["mask_logits"][0, i, j], mask, rtol=1e-4, atol=1e-5)
            np.testing.assert_allclose(whole["scores"][0, i, j], score, rtol=1e-4, atol=1e-5)


def slow_head(head, window):
    """One window's mask and score, float64, from the weights."""

    def linear(layer, value):
        kernel = np.asarray(layer.kernel, "float64").reshape(*value.shape, -1)
        return np.tensordot(value, kernel, value.ndim) + layer.bias

    def reduced(layer):
        if layer is None:
            return window
        return np.maximum(window @ np.asarray(layer.kernel, "float64")[0, 0] + layer.bias.numpy(), 0)

    vector = linear(head.encoder, reduced(head.reduce))
    if head.variant == "c":
        scored = vector
    elif head.variant == "original":
        half = head.kernel_size // 2
        pooled = window[: 2 * half, : 2 * half].reshape(half, 2, half, 2, -1).max(axis=(1, 3))
        scored = np.maximum(linear(head.score_encoder, pooled), 0)
    else:
        features = reduced(head.reduce if head.variant == "b" else head.score_reduce)
        scored = np.maximum(linear(head.score_encoder, features), 0)
    score = linear(head.score, np.maximum(linear(head.score_hidden, scored), 0))
    return linear(head.mask, vector).reshape(3, 3), score[0]


def test_dropout_is_of_the_score_and_of_training():
    head = MaskProposalHead(**{**SMALL, "score_units": 64})
    x = tf.ones((1, 4, 4, 8))
    head(x)
    randomize(head)
    still, moved = head(x, training=False), head(x, training=True)
    np.testing.assert_array_equal(still["mask_logits"], moved["mask_logits"])
    np.testing.assert_array_equal(still["scores"], head(x)["scores"])
    assert abs(float(still["scores"][0, 0, 0] - moved["scores"][0, 0, 0])) > 0


@pytest.mark.parametrize(
    "variant, kernel, features, channels, score",
    [
        ("c", 10, 1024, 128, 0),
        ("b", 10, 1024, 128, 128 * 10 * 10 * 512 + 512),
        ("a", 10, 1024, 128, 128 * 10 * 10 * 512 + 512 + 1024 * 128 + 128),
        ("original", 14, 512, 512, 512 * 7 * 7 * 512 + 512),
    ],
)
def test_the_weights_of_figure_3_3(variant, kernel, features, channels, score):
    """All have one mask branch; that of the score has ever less of its own."""
    head = MaskProposalHead(kernel_size=kernel, channels=channels, variant=variant)
    with keras.StatelessScope():
        head(keras.KerasTensor((None, kernel, kernel, features)))
    mask = features * channels + channels + kernel**2 * channels * 512 + 512 + 512 * 56**2 + 56**2
    score += 512 * 1024 + 1024 + 1024 + 1
    assert sum(math.prod(weight.shape) for weight in head.trainable_weights) == mask + score
