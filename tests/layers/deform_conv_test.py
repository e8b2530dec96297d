import keras
import numpy as np
import pytest
import tensorflow as tf

from panet_tf.layers.conv_block import ConvBlock
from panet_tf.layers.deform_conv import DeformConv
from panet_tf.ops.deform_conv import deform_conv
from tests.layer_checks import assert_close, check_layer

X = np.random.default_rng(0).standard_normal((2, 7, 8, 6)).astype("float32")


@pytest.mark.parametrize("modulated", [False, True])
def test_behaves_as_a_layer(modulated):
    kwargs = {"filters": 4, "strides": 2, "groups": 2, "deform_groups": 3, "modulated": modulated, "use_bias": True}
    # Offsets that differ by bfloat16's rounding read elsewhere on noise: values are compared below instead.
    check_layer(DeformConv, kwargs, X, (2, 4, 4, 4), 4, dynamic_axes=(1, 2), mixed_tolerance=0.2)


@pytest.mark.parametrize("modulated, share", [(False, 1.0), (True, 0.5)])
@pytest.mark.parametrize("strides, dilation", [(1, 2), (2, 1)])
def test_starts_as_the_plain_convolution(modulated, share, strides, dilation):
    layer = DeformConv(filters=4, strides=strides, dilation_rate=dilation, modulated=modulated)
    plain = ConvBlock(filters=4, strides=strides, dilation_rate=dilation, use_bias=False, activation=None)
    layer.build(X.shape)
    plain.build(X.shape)
    plain.conv.kernel.assign(layer.kernel)
    assert_close(layer(X), share * plain(X))


def test_offsets_come_before_the_logits_of_factors():
    layer = DeformConv(filters=3, modulated=True, deform_groups=2)
    layer.build(X.shape)
    layer.offset.bias.assign(np.random.default_rng(1).standard_normal(54))
    bias = tf.broadcast_to(layer.offset.bias, (2, 7, 8, 54))
    expected = deform_conv(X, layer.kernel, bias[..., :36], tf.sigmoid(bias[..., 36:]), padding=1)
    assert_close(layer(X), expected)


def test_even_kernels_are_refused():
    with pytest.raises(ValueError, match="odd.*received 4"):
        DeformConv(filters=4, kernel_size=4)


def test_a_plain_network_s_weights_have_its_names():
    layer = DeformConv(filters=4, name="layer4_0_conv2")
    layer.build(X.shape)
    plain = keras.layers.Conv2D(4, 3, use_bias=False, name="layer4_0_conv2")
    plain.build(X.shape)
    assert (layer.kernel.path, tuple(layer.kernel.shape)) == (plain.kernel.path, tuple(plain.kernel.shape))
