import numpy as np
import pytest
import tensorflow as tf

from panet_tf.losses.dense import dense_losses
from panet_tf.losses.focal import cross_entropy

RNG = np.random.default_rng(0)
CLASSES = np.int32([[2, 3, 0, 0, -1, 1], [0, 1, 0, -1, -1, -1], [0] * 6, [-1] * 6])
LOGITS = RNG.standard_normal((*CLASSES.shape, 3)).astype("float32") * 3
DELTAS = RNG.standard_normal((*CLASSES.shape, 4)).astype("float32")
TARGETS = RNG.standard_normal((*CLASSES.shape, 4)).astype("float32")


def slow_losses(classes, beta, focal=True):
    """Sums of each image, one anchor and one class at a time, in float64."""
    sums = np.zeros((len(classes), 2))
    for i, j in np.argwhere(classes >= 0):
        for k, x in enumerate(LOGITS[i, j].astype(float), start=1):
            truth = 1 / (1 + np.exp(-x if classes[i, j] == k else x))
            weight = (0.25 if classes[i, j] == k else 0.75) * (1 - truth) ** 2 if focal else 1.0
            sums[i, 0] -= weight * np.log(truth)
        if classes[i, j]:
            for x in np.abs(DELTAS[i, j].astype(float) - TARGETS[i, j]):
                sums[i, 1] += x - beta / 2 if x >= beta else x * x / (2 * beta)
    return sums


@pytest.mark.parametrize("beta", [0.0, 1 / 9])
def test_equals_a_slow_twin_and_counts_positives(beta):
    losses = dense_losses(LOGITS, DELTAS, classes=CLASSES, box_targets=TARGETS, beta=beta)
    of_class, of_box = slow_losses(CLASSES, beta).sum(axis=0)
    np.testing.assert_allclose(losses["class"], (of_class, 4), rtol=1e-5)
    np.testing.assert_allclose(losses["box"], (of_box, 4), rtol=1e-5)


@pytest.mark.parametrize(("normalizer", "count"), [("positive", 4), ("sampled", 14), (100, 300)])
def test_normalizers(normalizer, count):
    found = dense_losses(LOGITS, DELTAS, classes=CLASSES, box_targets=TARGETS, class_normalizer=normalizer)
    assert (float(found["class"][1]), float(found["box"][1])) == (count, 4)


def test_each_image_by_its_own_positives():
    kinds = {"class_normalizer": "positive_per_image", "box_normalizer": "positive_per_image"}
    found = dense_losses(LOGITS, DELTAS, classes=CLASSES, box_targets=TARGETS, **kinds)
    wanted = (slow_losses(CLASSES, 1 / 9) / np.array([3, 1, 1, 1])[:, None]).sum(axis=0)
    np.testing.assert_allclose(found["class"], (wanted[0], 3), rtol=1e-5)  # the last image is padding
    np.testing.assert_allclose(found["box"], (wanted[1], 3), rtol=1e-5)


def test_a_selection_sees_each_anchors_loss_and_leaves_the_rest_out_of_both_losses():
    seen = []

    def select(losses, classes):
        seen.append(losses.numpy())
        return tf.where(tf.range(6) < 2, classes, -1)

    found = dense_losses(
        LOGITS,
        DELTAS,
        classes=tf.constant(CLASSES),
        box_targets=TARGETS,
        class_loss=cross_entropy,
        select=select,
        class_normalizer="sampled",
    )
    kept = np.where(np.arange(6) < 2, CLASSES, -1)
    wanted = slow_losses(kept, 1 / 9, focal=False).sum(axis=0)
    np.testing.assert_allclose(found["class"], (wanted[0], 6), rtol=1e-5)
    np.testing.assert_allclose(found["box"], (wanted[1], 3), rtol=1e-5)
    used = CLASSES >= 0
    np.testing.assert_allclose(seen[0][used].sum(), slow_losses(CLASSES, 1 / 9, focal=False)[:, 0].sum(), rtol=1e-5)


def test_ignored_anchors_have_no_say_whatever_they_hold():
    logits, deltas, targets = LOGITS.copy(), DELTAS.copy(), TARGETS.copy()
    logits[CLASSES < 0] = np.nan
    deltas[CLASSES < 1] = np.inf
    targets[CLASSES < 1] = np.nan

    def losses_and_gradients(logits, deltas, targets):
        with tf.GradientTape() as tape:
            tape.watch((logits, deltas))
            losses = dense_losses(logits, deltas, classes=tf.constant(CLASSES), box_targets=targets)
        return losses, tape.gradient((losses["class"][0], losses["box"][0]), deltas)

    found = losses_and_gradients(*map(tf.constant, (logits, deltas, targets)))
    expected = losses_and_gradients(*map(tf.constant, (LOGITS, DELTAS, TARGETS)))
    tf.nest.map_structure(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5), found, expected)


def test_nothing_at_all_is_zero_and_an_unknown_normalizer_is_refused():
    nothing = tf.zeros((2, 0, 3)), tf.zeros((2, 0, 4))
    classes, targets = tf.zeros((2, 0), tf.int32), tf.zeros((2, 0, 4))
    found = dense_losses(*nothing, classes=classes, box_targets=targets)
    np.testing.assert_array_equal(tf.nest.flatten(found), np.zeros(4))
    with pytest.raises(ValueError, match="'positive_per_image'.*received 'mean'"):
        dense_losses(*nothing, classes=classes, box_targets=targets, box_normalizer="mean")
