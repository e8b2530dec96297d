"""Convolution, norm, activation."""

import gin
import keras
import tensorflow as tf

from panet_tf.layers.grouped_conv import GroupedConv
from panet_tf.layers.norms import check_norm, make_norm


@gin.register(module="panet_tf")
@keras.saving.register_keras_serializable("panet_tf")
class ConvBlock(keras.layers.Layer):
    """A convolution with symmetric zero padding, then a norm, then an activation.

    Both sides are padded by half the kernel, as in the papers' frameworks; TensorFlow's `same` pads only bottom and
    right at stride 2, which shifts every level of a pyramid by half a pixel. The output has ceil(size / stride) cells.

    Args:
        filters: int, output channels.
        kernel_size: odd int, or two of them (height, width). Defaults to 3.
        strides: int or two. Defaults to 1.
        dilation_rate: int or two. Defaults to 1.
        groups: int, groups of channels that are convolved apart. Defaults to 1.
        norm: `None`, `"frozen_bn"`, `"batch"`, `"sync_bn"` or `"group"`. Defaults to `None`.
        activation: name of a Keras activation, or `None`. Defaults to `"relu"`.
        use_bias: bool. Defaults to True without a norm, False with one.
        kernel_initializer: Keras initializer or its name. Defaults to `"he_normal"`.

    Input: float (batch, height, width, channels).
    Output: float (batch, ceil(height / stride), ceil(width / stride), filters).

    Raises:
        ValueError: for an even kernel or an unknown norm.

    Example:
        >>> block = ConvBlock(filters=256, strides=2, norm="group")
        >>> block(tf.ones((1, 65, 64, 256))).shape
        TensorShape([1, 33, 32, 256])
    """

    def __init__(
        self,
        *,
        filters,
        kernel_size=3,
        strides=1,
        dilation_rate=1,
        groups=1,
        norm=None,
        activation="relu",
        use_bias=None,
        kernel_initializer="he_normal",
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.filters = filters
        self.kernel_size = _pair(kernel_size)
        self.strides = _pair(strides)
        self.dilation_rate = _pair(dilation_rate)
        self.groups = groups
        self.norm_name = norm
        self.use_bias = norm is None if use_bias is None else use_bias
        self.kernel_initializer = keras.initializers.get(kernel_initializer)
        if any(k % 2 == 0 for k in self.kernel_size):
            raise ValueError(f"kernel_size must be odd for symmetric padding, received {kernel_size}.")
        check_norm(norm)
        self.padding = tuple(d * (k // 2) for k, d in zip(self.kernel_size, self.dilation_rate))
        # At stride 1 TensorFlow's own padding is symmetric, and spares a copy of the input.
        self.pads = self.strides != (1, 1) and self.padding != (0, 0)
        self.conv = GroupedConv(
            filters=filters,
            kernel_size=self.kernel_size,
            strides=self.strides,
            dilation_rate=self.dilation_rate,
            groups=groups,
            padding="valid" if self.pads else "same",
            use_bias=self.use_bias,
            kernel_initializer=self.kernel_initializer,
            name="conv",
            dtype=self.dtype_policy,
        )
        self.norm = make_norm(norm, name="norm", dtype=self.dtype_policy)
        self.activation = keras.activations.get(activation)

    def build(self, input_shape):
        if not self.conv.built:
            self.conv.build((None, None, None, input_shape[-1]))  # of any size: Keras would not see the padding
        if self.norm is not None and not self.norm.built:
            self.norm.build((None, None, None, self.filters))

    def call(self, inputs, training=None):
        x = inputs
        if self.pads:
            x = tf.pad(x, ((0, 0), *((p, p) for p in self.padding), (0, 0)))
        x = self.conv(x)
        if self.norm is not None:
            x = self.norm(x, training=training)
        return self.activation(x)

    def compute_output_shape(self, input_shape):
        sizes = (None if size is None else -(-size // s) for size, s in zip(input_shape[1:3], self.strides))
        return (input_shape[0], *sizes, self.filters)

    def get_config(self):
        return {
            **super().get_config(),
            "filters": self.filters,
            "kernel_size": self.kernel_size,
            "strides": self.strides,
            "dilation_rate": self.dilation_rate,
            "groups": self.groups,
            "norm": self.norm_name,
            "activation": keras.activations.serialize(self.activation),
            "use_bias": self.use_bias,
            "kernel_initializer": keras.initializers.serialize(self.kernel_initializer),
        }


def _pair(value):
    return (value, value) if isinstance(value, int) else tuple(value)
