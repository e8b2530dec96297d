"""Norms against the formulas of their papers."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from panet_tf.layers.frozen_batch_norm import FrozenBatchNorm
from panet_tf.layers.group_norm import GroupNorm
from panet_tf.layers.norms import NORMS, make_norm
from tests.layer_checks import check_layer, randomize


def _features(shape=(2, 3, 4, 64), seed=0):
    return np.random.default_rng(seed).normal(1.0, 2.0, shape).astype("float32")


@pytest.mark.parametrize("cls, trainable, other", [(FrozenBatchNorm, 0, 4), (GroupNorm, 2, 0)])
def test_norms_are_sound_layers(cls, trainable, other):
    check_layer(cls, {}, _features(), (2, 3, 4, 64), trainable, other, dynamic_axes=(1, 2))


@pytest.mark.parametrize("norm", NORMS[1:])
def test_every_norm_builds_and_keeps_its_name(norm):
    layer = make_norm(norm, name="bn1")
    assert layer.name == "bn1"
    assert layer(_features()).shape == (2, 3, 4, 64)
    assert layer.epsilon == 1e-5


def test_none_is_no_norm():
    assert make_norm(None) is None


def test_unknown_norm_is_refused_with_the_choices():
    with pytest.raises(ValueError, match="frozen_bn.*received 'gn'"):
        make_norm("gn")


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


def test_frozen_bn_and_batch_norm_share_weight_names():
    frozen, batch = make_norm("frozen_bn"), make_norm("batch")
    frozen.build((None, 8))
    batch.build((None, 8))
    assert [w.name for w in frozen.weights] == [w.name for w in batch.weights]


@pytest.mark.parametrize("norm", ["batch", "sync_bn"])
def test_batch_norm_has_torchs_momentum_and_epsilon(norm):
    x, layer = _features(), make_norm(norm)
    y = layer(x, training=True)
    mean, variance = x.mean((0, 1, 2)), x.var((0, 1, 2))
    np.testing.assert_allclose(y, (x - mean) / np.sqrt(variance + 1e-5), atol=1e-5)  # float32 rounding
    np.testing.assert_allclose(layer.moving_mean, 0.1 * mean, rtol=1e-4)
    np.testing.assert_allclose(layer.moving_variance, 0.9 + 0.1 * variance, rtol=1e-4)
    assert layer.synchronized == (norm == "sync_bn")


@pytest.mark.parametrize("channels, groups", [(64, 32), (48, 16), (8, 8), (33, 1)])
def test_group_norm_falls_back_to_fewer_groups(channels, groups):
    x, layer = _features((2, 3, 4, channels)), GroupNorm()
    y = layer(x)
    assert layer.groups == groups
    g = x.reshape(2, 12, groups, channels // groups).astype("float64")
    expected = (g - g.mean((1, 3), keepdims=True)) / np.sqrt(g.var((1, 3), keepdims=True) + 1e-5)
    np.testing.assert_allclose(y, expected.reshape(x.shape), atol=1e-4)  # float32 rounding
    assert layer.get_config()["groups"] == 32


def test_epsilon_matters_where_features_are_flat():
    flat = 1e-3 * _features((1, 2, 2, 32))
    ours, keras_own = GroupNorm(groups=1)(flat), keras.layers.GroupNormalization(groups=1)(flat)
    assert np.std(ours) > 2 * np.std(keras_own)
