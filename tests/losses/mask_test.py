import numpy as np
import pytest
import tensorflow as tf

from panet_tf.losses.mask import mask_loss

RNG = np.random.default_rng(0)
WEIGHTS = np.float32([[1, 1, 0], [0.5, 0, 0], [0, 0, 0]])
LOGITS = RNG.standard_normal((*WEIGHTS.shape, 5, 5)).astype("float32") * 4
TARGETS = RNG.random((*WEIGHTS.shape, 5, 5)).astype("float32")


def slow_sum():
    total = 0.0
    for i, j in np.argwhere(WEIGHTS > 0):
        p = 1 / (1 + np.exp(-LOGITS[i, j].astype(float)))
        total -= WEIGHTS[i, j] * np.sum(TARGETS[i, j] * np.log(p) + (1 - TARGETS[i, j]) * np.log(1 - p))
    return total


@pytest.mark.parametrize(("normalizer", "count"), [("pixels", 62.5), ("regions", 2.5), (100, 200)])
def test_equals_a_slow_twin(normalizer, count):
    total = mask_loss(LOGITS, TARGETS, WEIGHTS, normalizer=normalizer)
    np.testing.assert_allclose(total, (slow_sum(), count), rtol=1e-5)


def test_unknown_normalizer_is_refused():
    with pytest.raises(ValueError, match="one of .*'pixels', 'regions'.*received 'sampled'"):
        mask_loss(LOGITS, TARGETS, WEIGHTS, normalizer="sampled")


@pytest.mark.parametrize("jit_compile", [False, True])
def test_extreme_logits_and_garbage_in_padding_give_finite_gradients(jit_compile):
    chosen = np.where(RNG.random(LOGITS.shape) < 0.5, -1e4, 1e4).astype("float32")
    chosen[WEIGHTS == 0] = np.inf

    @tf.function(jit_compile=jit_compile)
    def loss_and_gradient(logits):
        with tf.GradientTape() as tape:
            tape.watch(logits)
            total, _ = mask_loss(logits, tf.constant(TARGETS), tf.constant(WEIGHTS))
        return total, tape.gradient(total, logits)

    total, gradient = loss_and_gradient(tf.constant(chosen))
    p = (chosen > 0).astype(float)
    expected = np.where(WEIGHTS[..., None, None] > 0, WEIGHTS[..., None, None] * (p - TARGETS), 0)
    np.testing.assert_allclose(gradient, expected, atol=1e-6)
    assert np.isfinite(total)


@pytest.mark.parametrize("regions", [0, 3])
def test_no_objects_is_zero_of_zero(regions):
    shape = (2, regions, 28, 28)
    np.testing.assert_array_equal(mask_loss(tf.ones(shape), tf.zeros(shape), tf.zeros((2, regions))), (0, 0))


@pytest.mark.golden
def test_equals_torchvision(golden):
    recorded = golden("losses")
    labels = recorded["mask_gt_labels"][recorded["mask_matched_gt"]]
    logits = recorded["mask_logits"][np.arange(len(labels)), labels]
    total, count = mask_loss(logits[None], recorded["mask_targets_28"][None], np.ones((1, len(labels)), "float32"))
    np.testing.assert_allclose(total / count, recorded["mask_loss"], rtol=1e-5)  # float32 sums of 7,840 pixels
