import functools

import numpy as np
import pytest
import tensorflow as tf

from panet_tf.losses.focal import cross_entropy, focal_loss, focal_loss_star

FORMS = {
    "cross_entropy": cross_entropy,
    "balanced": functools.partial(cross_entropy, alpha=0.75),
    "focal": focal_loss,
    "focal_steep": functools.partial(focal_loss, gamma=5.0, alpha=None),
    "focal_root": functools.partial(focal_loss, gamma=0.1, alpha=0.75),
    "star": focal_loss_star,
}
# alpha, and from p_t (and x_t) in float64 to the loss
SLOW = {
    "cross_entropy": (None, lambda p, x: -np.log(p)),
    "balanced": (0.75, lambda p, x: -np.log(p)),
    "focal": (0.25, lambda p, x: -((1 - p) ** 2) * np.log(p)),
    "focal_steep": (None, lambda p, x: -((1 - p) ** 5) * np.log(p)),
    "focal_root": (0.75, lambda p, x: -((1 - p) ** 0.1) * np.log(p)),
    "star": (None, lambda p, x: -np.log(1 / (1 + np.exp(-(2 * x + 1)))) / 2),
}


def slow(name, logits, targets):
    alpha, loss = SLOW[name]
    found = []
    for x, y in zip(logits.astype(float), targets):
        x = x if y else -x
        weight = 1 if alpha is None else alpha if y else 1 - alpha
        found.append(weight * loss(1 / (1 + np.exp(-x)), x))
    return np.array(found)


@pytest.mark.parametrize("name", FORMS)
def test_equals_a_slow_twin(name):
    logits = np.linspace(-12, 12, 50).astype("float32")
    targets = np.arange(50) % 3 == 0
    # 1 - p_t of the twin loses digits where p_t is near 1: it is the twin that is coarse there
    np.testing.assert_allclose(FORMS[name](logits, targets), slow(name, logits, targets), rtol=1e-5, atol=1e-10)


@pytest.mark.golden
def test_equals_torchvision(golden):
    values = golden("ops")
    logits, targets = values["sigmoid_focal_loss_logits"], values["sigmoid_focal_loss_targets"]
    np.testing.assert_allclose(focal_loss(logits, targets), values["sigmoid_focal_loss_a25_g2"], atol=1e-5)


@pytest.mark.parametrize("compiled", [False, True])
def test_far_out_losses_and_gradients_are_finite_and_right(compiled):
    def run(logits, targets):
        found = {}
        for name, loss in FORMS.items():
            with tf.GradientTape() as tape:
                tape.watch(logits)
                values = loss(logits, targets)
            found[name] = values, tape.gradient(values, logits)
        return found

    logits = tf.constant([50.0, -50.0, 50.0, -50.0, 1e4, -1e4, 1e4, -1e4])
    targets = tf.constant([1, 1, 0, 0, 1, 1, 0, 0])
    for name, (values, gradients) in (tf.function(run, jit_compile=True) if compiled else run)(logits, targets).items():
        assert np.isfinite(values).all() and np.isfinite(gradients).all(), name
        alpha = SLOW[name][0]
        for i, (x, y) in enumerate(((50, 1), (-50, 1), (50, 0), (-50, 0), (1e4, 1), (-1e4, 1), (1e4, 0), (-1e4, 0))):
            right = (x > 0) == bool(y)
            weight = 1 if alpha is None else alpha if y else 1 - alpha
            wanted = 0 if right else weight * (abs(x) - (0.5 if name == "star" else 0))
            np.testing.assert_allclose(values[i], wanted, rtol=1e-5, atol=1e-6)
            np.testing.assert_allclose(gradients[i], 0 if right else weight * np.sign(x), rtol=1e-5, atol=1e-6)


def test_bfloat16_logits_are_computed_in_float32_and_have_finite_gradients():
    def values_and_gradients(loss, logits):
        with tf.GradientTape() as tape:
            tape.watch(logits)
            values = loss(logits, tf.constant([True, False] * 5))
        return values, tape.gradient(values, logits)

    logits = tf.repeat(tf.constant([-50.0, -3.0, 0.0, 3.0, 50.0], tf.bfloat16), 2)
    for name, loss in FORMS.items():
        found, gradients = values_and_gradients(loss, logits)
        assert found.dtype == tf.float32 and gradients.dtype == tf.bfloat16
        exact, exact_gradients = values_and_gradients(loss, tf.cast(logits, tf.float32))
        np.testing.assert_array_equal(found, exact, name)
        assert np.isfinite(exact_gradients).all()
        np.testing.assert_array_equal(gradients, tf.cast(exact_gradients, tf.bfloat16), name)


def test_the_truths_probability_may_have_a_floor():
    logits = tf.constant([-20.0, -4.0, 3.0])
    with tf.GradientTape() as tape:
        tape.watch(logits)
        found = cross_entropy(logits, [1, 1, 1], min_probability=0.01)
    np.testing.assert_allclose(found, [-np.log(0.01), np.log(1 + np.exp(4.0)), np.log(1 + np.exp(-3.0))], rtol=1e-5)
    assert (tape.gradient(found, logits).numpy() == 0).tolist() == [True, False, False]


def test_what_is_out_of_range_is_refused():
    for loss, arguments in (
        (focal_loss, {"gamma": -1}),
        (focal_loss, {"alpha": 1.5}),
        (focal_loss_star, {"gamma": 0}),
        (cross_entropy, {"min_probability": 1.0}),
    ):
        with pytest.raises(ValueError, match=f"{next(iter(arguments))} must .* received"):
            loss(tf.zeros(1), tf.zeros(1), **arguments)
