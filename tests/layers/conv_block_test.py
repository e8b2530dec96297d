"""The convolution block against a convolution written out."""

import keras
import numpy as np
import pytest

from panet_tf.layers.conv_block import ConvBlock
from tests.layer_checks import check_layer


def _features(shape=(2, 7, 8, 6), seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype("float32")


@pytest.mark.parametrize(
    "kwargs, size, trainable, other",
    [
        ({}, (7, 8), 2, 0),
        ({"kernel_size": 1, "strides": 2, "activation": None}, (4, 4), 2, 0),
        ({"strides": 2, "norm": "batch"}, (4, 4), 3, 2),
        ({"kernel_size": (1, 7), "norm": "group", "use_bias": True}, (7, 8), 4, 0),
        ({"norm": "frozen_bn", "dilation_rate": 2, "groups": 2}, (7, 8), 1, 4),
        ({"norm": "sync_bn", "kernel_initializer": keras.initializers.RandomNormal(stddev=0.01)}, (7, 8), 3, 2),
    ],
)
def test_conv_block_is_a_sound_layer(kwargs, size, trainable, other):
    check_layer(ConvBlock, {"filters": 4, **kwargs}, _features(), (2, *size, 4), trainable, other, dynamic_axes=(1, 2))


@pytest.mark.parametrize(
    "strides, dilation, kernel", [(1, 1, 3), (2, 1, 3), (1, 2, 3), (2, 1, 7), (2, 1, 1), (1, 1, (1, 5))]
)
@pytest.mark.parametrize("height, width", [(7, 8), (8, 9)])
def test_padding_is_symmetric(strides, dilation, kernel, height, width):
    x = _features((1, height, width, 3))
    kwargs = dict(kernel_size=kernel, strides=strides, dilation_rate=dilation, activation=None, use_bias=False)
    layer = ConvBlock(filters=2, **kwargs)
    y = np.asarray(layer(x))
    weights = np.asarray(layer.conv.kernel)
    kh, kw = weights.shape[:2]
    ph, pw = dilation * (kh // 2), dilation * (kw // 2)
    padded = np.pad(x[0], ((ph, ph), (pw, pw), (0, 0)))
    expected = np.zeros((-(-height // strides), -(-width // strides), 2))
    for i, j in np.ndindex(expected.shape[:2]):
        for u, v in np.ndindex(kh, kw):
            expected[i, j] += padded[i * strides + u * dilation, j * strides + v * dilation] @ weights[u, v]
    assert y.shape[1:] == expected.shape
    np.testing.assert_allclose(y[0], expected, atol=1e-5)  # float32 sums of up to 147 terms


def test_even_kernels_are_refused():
    with pytest.raises(ValueError, match="odd.*received 2"):
        ConvBlock(filters=4, kernel_size=2)


def test_unknown_norm_is_refused_at_construction():
    with pytest.raises(ValueError, match="norm must be one of"):
        ConvBlock(filters=4, norm="bn")


def test_builds_for_inputs_smaller_than_the_kernel():
    block = ConvBlock(filters=2, kernel_size=7, strides=2)
    block.build((1, 2, 3, 4))
    assert block(np.ones((1, 2, 3, 4), "float32")).shape == (1, 1, 2, 2)
