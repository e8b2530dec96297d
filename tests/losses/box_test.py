import numpy as np
import pytest
import tensorflow as tf

from panet_tf.losses.box import box_losses

RNG = np.random.default_rng(0)
CLASSES = np.int32([[2, 3, 0, 0, -1], [1, 0, -1, -1, -1], [-1] * 5])
LOGITS = RNG.standard_normal((*CLASSES.shape, 4)).astype("float32") * 3
DELTAS = RNG.standard_normal((*CLASSES.shape, 3, 4)).astype("float32")
TARGETS = RNG.standard_normal((*CLASSES.shape, 4)).astype("float32")


def slow_losses(deltas, beta):
    """One region at a time, in float64; `deltas` are (B, R, K or 1, 4)."""
    cross_entropy = box = 0.0
    for i, j in np.argwhere(CLASSES >= 0):
        label = CLASSES[i, j]
        exponentials = np.exp(LOGITS[i, j].astype(float))
        cross_entropy -= np.log(exponentials[label] / exponentials.sum())
        if label:
            own = deltas[i, j, label - 1 if deltas.shape[2] > 1 else 0].astype(float)
            for x in np.abs(own - TARGETS[i, j]):
                box += x * x / (2 * beta) if x < beta else x - beta / 2
    return cross_entropy, box


@pytest.mark.parametrize("class_agnostic", [False, True])
def test_equals_a_slow_twin_and_counts_sampled_regions(class_agnostic):
    deltas = DELTAS[:, :, :1] if class_agnostic else DELTAS
    losses = box_losses(LOGITS, deltas, classes=CLASSES, box_targets=TARGETS, beta=1 / 3)
    cross_entropy, box = slow_losses(deltas, 1 / 3)
    np.testing.assert_allclose(losses["class"], (cross_entropy, 6), rtol=1e-5)
    np.testing.assert_allclose(losses["box"], (box, 6), rtol=1e-5)


def test_only_the_true_class_box_gets_a_gradient():
    deltas = tf.constant(DELTAS)
    with tf.GradientTape() as tape:
        tape.watch(deltas)
        total, _ = box_losses(LOGITS, deltas, classes=CLASSES, box_targets=TARGETS, beta=0)["box"]
    expected = np.zeros_like(DELTAS)
    for i, j in np.argwhere(CLASSES > 0):
        expected[i, j, CLASSES[i, j] - 1] = np.sign(DELTAS[i, j, CLASSES[i, j] - 1] - TARGETS[i, j])
    np.testing.assert_array_equal(tape.gradient(total, deltas), expected)


@pytest.mark.parametrize(("normalizer", "count"), [("sampled", 6), ("positive", 3), (512, 1024)])
def test_normalizers(normalizer, count):
    losses = box_losses(LOGITS, DELTAS, classes=CLASSES, box_targets=TARGETS, box_normalizer=normalizer)
    assert (float(losses["class"][1]), float(losses["box"][1])) == (6, count)
    losses = box_losses(LOGITS, DELTAS, classes=CLASSES, box_targets=TARGETS, class_normalizer=normalizer)
    assert (float(losses["class"][1]), float(losses["box"][1])) == (count, 6)


@pytest.mark.parametrize("jit_compile", [False, True])
def test_extreme_logits_and_garbage_in_padding_give_finite_gradients(jit_compile):
    logits = np.where(RNG.random(LOGITS.shape) < 0.5, -1e4, 1e4).astype("float32")
    targets = np.where((CLASSES > 0)[..., None], TARGETS, np.nan)
    deltas = np.where((CLASSES > 0)[..., None, None], DELTAS, np.inf)

    @tf.function(jit_compile=jit_compile)
    def losses_and_gradients(logits, deltas, targets):
        with tf.GradientTape() as tape:
            tape.watch((logits, deltas))
            losses = box_losses(logits, deltas, classes=tf.constant(CLASSES), box_targets=targets)
            total = losses["class"][0] + losses["box"][0]
        return losses, tape.gradient(total, (logits, deltas))

    losses, (of_logits, of_deltas) = losses_and_gradients(*map(tf.constant, (logits, deltas, targets)))
    assert np.isfinite(tf.nest.flatten(losses)).all()
    assert np.isfinite(of_logits).all() and np.isfinite(of_deltas).all()
    assert not np.any(of_logits[CLASSES < 0]) and not np.any(of_deltas[CLASSES < 1])
    np.testing.assert_allclose(losses["box"][0], slow_losses(DELTAS, 1.0)[1], rtol=1e-5)


@pytest.mark.parametrize("regions", [0, 5])
def test_nothing_sampled_is_zero_of_zero(regions):
    losses = box_losses(
        tf.zeros((2, regions, 4)),
        tf.zeros((2, regions, 3, 4)),
        classes=tf.fill((2, regions), -1),
        box_targets=tf.zeros((2, regions, 4)),
    )
    np.testing.assert_array_equal(tf.nest.flatten(losses), np.zeros(4))


def test_background_alone_has_a_class_loss_and_no_box_loss():
    losses = box_losses(
        tf.zeros((1, 2, 4)), tf.ones((1, 2, 3, 4)), classes=tf.zeros((1, 2), tf.int32), box_targets=tf.zeros((1, 2, 4))
    )
    np.testing.assert_allclose(losses["class"], (2 * np.log(4), 2), rtol=1e-6)
    np.testing.assert_array_equal(losses["box"], (0, 2))


@pytest.mark.golden
def test_equals_torchvision(golden):
    recorded = golden("losses")
    logits = recorded["box_class_logits"][None]
    deltas = recorded["box_regression_dxdydwdh"].reshape(*logits.shape, 4)[:, :, 1:]  # no boxes of background
    losses = box_losses(
        logits,
        deltas,
        classes=recorded["box_labels"][None].astype("int32"),
        box_targets=recorded["box_targets_dxdydwdh"][None],
        beta=1 / 9,
    )
    means = [total / count for total, count in (losses["class"], losses["box"])]
    expected = [recorded["box_loss_class"], recorded["box_loss_regression_smooth_l1_beta_1_9"]]
    np.testing.assert_allclose(means, expected, rtol=1e-5)  # float32 sums of 48 rows
