"""Norms against the formulas of their papers."""

import keras
import numpy as np
import pytest

from panet_tf.layers.group_norm import GroupNorm
from panet_tf.layers.norms import NORMS, make_norm


def _features(shape=(2, 3, 4, 64), seed=0):
    return np.random.default_rng(seed).normal(1.0, 2.0, shape).astype("float32")


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
