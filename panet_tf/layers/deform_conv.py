"""Deformable convolution with the convolution that finds its offsets."""

import gin
import keras
import tensorflow as tf

from panet_tf.ops.deform_conv import deform_conv


@gin.register(module="panet_tf")
@keras.saving.register_keras_serializable("panet_tf")
class DeformConv(keras.layers.Layer):
    """A convolution whose taps read where a second convolution of the same input tells them to.

    First version (Dai et al., 2017, section 2.1): offsets; second (Zhu et al., 2019, section 3.1.2), with `modulated`:
    a factor between 0 and 1 for each tap, too. The offsets' convolution starts at zero: training begins from the
    plain convolution, or half of it where modulated. Padding is of half the kernel on both sides.

    Args:
        filters: int, output channels.
        kernel_size: odd int or two. Defaults to 3.
        strides, dilation_rate: int or two. Default to 1.
        groups: int, groups of channels that are convolved apart. Defaults to 1.
        deform_groups: int, groups of channels with offsets of their own. Defaults to 1.
        modulated: bool, whether it is the second version. Defaults to False.
        use_bias: bool. Defaults to False: a norm follows in every network that has it.
        kernel_initializer: Keras initializer or its name. Defaults to `"he_normal"`.

    Weights: `kernel` as a `Conv2D` has it, so that those of a plain network can be loaded, and the convolution
        `offset`: for each deform group and tap dy and dx, then, where modulated, the logits of all factors
        (detectron2's and mmdetection's order).

    Input: float (batch, height, width, channels).
    Output: float (batch, ceil(height / stride), ceil(width / stride), filters).

    Raises:
        ValueError: for an even kernel.

    Example:
        >>> x = DeformConv(filters=256, modulated=True)(tf.ones((1, 50, 84, 256)))
    """

    def __init__(
        self,
        *,
        filters,
        kernel_size=3,
        strides=1,
        dilation_rate=1,
        groups=1,
        deform_groups=1,
        modulated=False,
        use_bias=False,
        kernel_initializer="he_normal",
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.filters = filters
        self.kernel_size = _pair(kernel_size)
        self.strides = _pair(strides)
        self.dilation_rate = _pair(dilation_rate)
        self.groups = groups
        self.deform_groups = deform_groups
        self.modulated = modulated
        self.use_bias = use_bias
        self.kernel_initializer = keras.initializers.get(kernel_initializer)
        if any(k % 2 == 0 for k in self.kernel_size):
            raise ValueError(f"kernel_size must be odd for symmetric padding, received {kernel_size}.")
        self.padding = tuple(d * (k // 2) for k, d in zip(self.kernel_size, self.dilation_rate))
        self.taps = self.kernel_size[0] * self.kernel_size[1]
        self.offset = keras.layers.Conv2D(
            deform_groups * self.taps * (3 if modulated else 2),
            self.kernel_size,
            strides=self.strides,
            dilation_rate=self.dilation_rate,
            padding="valid",
            kernel_initializer="zeros",
            name="offset",
            dtype=self.dtype_policy,
        )

    def build(self, input_shape):
        channels = input_shape[-1]
        self.kernel = self.add_weight(
            name="kernel",
            shape=(*self.kernel_size, channels // self.groups, self.filters),
            initializer=self.kernel_initializer,
        )
        self.bias = self.add_weight(name="bias", shape=(self.filters,), initializer="zeros") if self.use_bias else None
        if not self.offset.built:
            self.offset.build((None, None, None, channels))

    def call(self, inputs):
        found = self.offset(tf.pad(inputs, ((0, 0), *((p, p) for p in self.padding), (0, 0))))
        found = tf.cast(found, tf.float32)  # bfloat16 would round an offset of 4 cells to multiples of 1 / 32
        offsets, mask = found, None
        if self.modulated:
            count = 2 * self.deform_groups * self.taps
            offsets, mask = found[..., :count], tf.sigmoid(found[..., count:])
        outputs = deform_conv(
            inputs,
            tf.cast(self.kernel, inputs.dtype),
            offsets,
            mask,
            strides=self.strides,
            padding=self.padding,
            dilations=self.dilation_rate,
            groups=self.groups,
        )
        return outputs if self.bias is None else outputs + tf.cast(self.bias, outputs.dtype)

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
            "deform_groups": self.deform_groups,
            "modulated": self.modulated,
            "use_bias": self.use_bias,
            "kernel_initializer": keras.initializers.serialize(self.kernel_initializer),
        }


def _pair(value):
    return (value, value) if isinstance(value, int) else tuple(value)
