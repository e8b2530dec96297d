import numpy as np
import pytest
import tensorflow as tf

from panet_tf.layers.frozen_batch_norm import FrozenBatchNorm
from tests.layer_checks import check_layer, randomize


def _features(shape=(2, 3, 4, 64), seed=0):
    return np.random.default_rng(seed).normal(1.0, 2.0, shape).astype("float32")


def test_behaves_as_a_layer():
    check_layer(FrozenBatchNorm, {}, _features(), (2, 3, 4, 64), 0, 4, dynamic_axes=(1, 2))


@pytest.mark.parametrize("training", [False, True])
def test_frozen_bn_is_the_recorded_affine_map_and_never_moves(training):
    x, layer = _features(), FrozenBatchNorm()
    layer.build(x.shape)
    randomize(layer)
    gamma, beta, mean, variance = before = [np.array(w) for w in layer.weights]
    expected = gamma * (x - mean) / np.sqrt(variance + 1e-5) + beta
    np.testing.assert_allclose(layer(x, training=training), expected, atol=1e-5)  # float32 at values of about 10
    for old, new in zip(before, layer.weights):
        np.testing.assert_array_equal(old, new)


def test_frozen_bn_stays_frozen_when_made_trainable():
    layer = FrozenBatchNorm()
    layer.build((None, 8))
    layer.trainable = True
    assert not layer.trainable_weights and len(layer.non_trainable_weights) == 4


def test_frozen_bn_passes_gradients_to_its_input():
    layer = FrozenBatchNorm()
    x = tf.constant(_features())
    with tf.GradientTape() as tape:
        tape.watch(x)
        total = tf.reduce_sum(layer(x))
    np.testing.assert_allclose(tape.gradient(total, x), np.full(x.shape, 1 / np.sqrt(1 + 1e-5)), rtol=1e-6)
