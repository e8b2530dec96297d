import numpy as np
import pytest
import tensorflow as tf

from panet_tf.losses.rpn import rpn_losses

RNG = np.random.default_rng(0)
LABELS = np.int32([[1, 1, 0, 0, 0, -1], [0, 1, 0, -1, -1, -1], [-1] * 6])
LOGITS = RNG.standard_normal(LABELS.shape).astype("float32") * 4
DELTAS = RNG.standard_normal((*LABELS.shape, 4)).astype("float32")
TARGETS = RNG.standard_normal((*LABELS.shape, 4)).astype("float32")


def slow_losses(beta):
    """One anchor at a time, in float64."""
    objectness = box = 0.0
    for i, j in np.argwhere(LABELS >= 0):
        probability = 1 / (1 + np.exp(-float(LOGITS[i, j])))
        objectness -= np.log(probability if LABELS[i, j] else 1 - probability)
        if LABELS[i, j]:
            for x in np.abs(DELTAS[i, j].astype(float) - TARGETS[i, j]):
                box += x * x / (2 * beta) if x < beta else x - beta / 2
    return objectness, box


@pytest.mark.parametrize("beta", [1 / 9, 1.0])
def test_equals_a_slow_twin_and_counts_sampled_anchors(beta):
    losses = rpn_losses(LOGITS, DELTAS, labels=LABELS, box_targets=TARGETS, beta=beta)
    objectness, box = slow_losses(beta)
    np.testing.assert_allclose(losses["objectness"], (objectness, 8), rtol=1e-5)
    np.testing.assert_allclose(losses["box"], (box, 8), rtol=1e-5)


@pytest.mark.parametrize(("normalizer", "count"), [("sampled", 8), ("positive", 3), (256, 512)])
def test_normalizers(normalizer, count):
    losses = rpn_losses(LOGITS, DELTAS, labels=LABELS, box_targets=TARGETS, box_normalizer=normalizer)
    assert float(losses["box"][1]) == count
    assert float(losses["objectness"][1]) == 8
    losses = rpn_losses(LOGITS, DELTAS, labels=LABELS, box_targets=TARGETS, objectness_normalizer=normalizer)
    assert float(losses["objectness"][1]) == count
    assert float(losses["box"][1]) == 8


def test_unknown_normalizer_is_refused():
    with pytest.raises(ValueError, match="number per image or one of .*'sampled', 'positive'.*received 'mean'"):
        rpn_losses(LOGITS, DELTAS, labels=LABELS, box_targets=TARGETS, box_normalizer="mean")


@pytest.mark.parametrize("jit_compile", [False, True])
def test_padding_and_background_have_no_say_whatever_they_hold(jit_compile):
    logits, deltas, targets = LOGITS.copy(), DELTAS.copy(), TARGETS.copy()
    logits[LABELS < 0] = np.inf
    deltas[LABELS < 1] = -np.inf
    targets[LABELS < 1] = np.nan

    @tf.function(jit_compile=jit_compile)
    def losses_and_gradients(logits, deltas, targets):
        with tf.GradientTape() as tape:
            tape.watch((logits, deltas))
            losses = rpn_losses(logits, deltas, labels=tf.constant(LABELS), box_targets=targets)
            total = losses["objectness"][0] + losses["box"][0]
        return losses, tape.gradient(total, (logits, deltas))

    found = losses_and_gradients(*map(tf.constant, (logits, deltas, targets)))
    expected = losses_and_gradients(*map(tf.constant, (LOGITS, DELTAS, TARGETS)))
    tf.nest.map_structure(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5), found, expected)


@pytest.mark.parametrize("size", [1e4, -1e4])
def test_extreme_logits_give_finite_losses_and_gradients(size):
    logits = tf.fill(LABELS.shape, size)
    with tf.GradientTape() as tape:
        tape.watch(logits)
        total, _ = rpn_losses(logits, DELTAS, labels=LABELS, box_targets=TARGETS)["objectness"]
    wrong = np.sum(LABELS == (0 if size > 0 else 1))
    np.testing.assert_allclose(total, 1e4 * wrong)
    np.testing.assert_allclose(np.abs(tape.gradient(total, logits)).sum(), wrong)


@pytest.mark.parametrize("slots", [0, 6])
def test_nothing_sampled_is_zero_of_zero(slots):
    losses = rpn_losses(
        tf.zeros((2, slots)),
        tf.zeros((2, slots, 4)),
        labels=tf.fill((2, slots), -1),
        box_targets=tf.zeros((2, slots, 4)),
    )
    np.testing.assert_array_equal(tf.nest.flatten(losses), np.zeros(4))


def test_half_precision_heads_give_float32_losses():
    losses = rpn_losses(
        tf.cast(LOGITS, tf.bfloat16), tf.cast(DELTAS, tf.bfloat16), labels=LABELS, box_targets=TARGETS, beta=1.0
    )
    assert {x.dtype for x in tf.nest.flatten(losses)} == {tf.float32}
    np.testing.assert_allclose(losses["box"][0], slow_losses(1.0)[1], rtol=1e-2)  # bfloat16 has 8 bits
