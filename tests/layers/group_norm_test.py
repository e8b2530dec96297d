import keras
import numpy as np
import pytest
import tensorflow as tf

from panet_tf.layers.group_norm import GroupNorm, group_norm
from tests.layer_checks import check_layer


def draw(*shape, seed=0):
    return tf.constant(np.random.default_rng(seed).standard_normal(shape), tf.float32)


def test_behaves_as_a_layer():
    check_layer(GroupNorm, {}, draw(2, 3, 4, 64), (2, 3, 4, 64), 2, 0, dynamic_axes=(1, 2))


@pytest.mark.parametrize("shape", [(2, 5, 4, 12), (3, 12), (2, 3, 12)])
@pytest.mark.parametrize("groups", [1, 4, 12])
def test_values_and_gradients_equal_those_of_keras(shape, groups):
    x, weights = 3.0 + 2.0 * draw(*shape), draw(*shape, seed=1)
    gamma, beta = 1.0 + 0.3 * draw(12, seed=2), draw(12, seed=3)
    reference = keras.layers.GroupNormalization(groups, epsilon=1e-5)
    reference.build(shape)
    reference.set_weights([gamma, beta])
    with tf.GradientTape(persistent=True) as tape:
        tape.watch([x, gamma, beta])
        ours, theirs = group_norm(x, gamma, beta, groups=groups, epsilon=1e-5), reference(x)
        our_loss, their_loss = tf.reduce_sum(ours * weights), tf.reduce_sum(theirs * weights)
    np.testing.assert_allclose(ours, theirs, atol=2e-5)  # float32, variances summed in another order
    our_gradients = tape.gradient(our_loss, [x, gamma, beta])
    their_gradients = tape.gradient(their_loss, [x, reference.gamma.value, reference.beta.value])
    if groups == 12 and len(shape) == 2:
        return  # groups of one value: the gradient is zero up to rounding times 1 / sqrt(epsilon)
    for ours, theirs in zip(our_gradients, their_gradients):
        np.testing.assert_allclose(ours, theirs, rtol=1e-3, atol=1e-4)


def test_large_means_keep_their_variance():
    x = 1000.0 + draw(1, 32, 32, 4)
    normalized = GroupNorm(groups=1)(x).numpy()
    assert abs(normalized.std() - 1.0) < 1e-3 and abs(normalized.mean()) < 1e-3


def test_compiled_by_xla_it_is_the_same():
    layer, x = GroupNorm(groups=4), draw(2, 6, 6, 8)
    np.testing.assert_allclose(tf.function(layer, jit_compile=True)(x), layer(x), atol=1e-5)
