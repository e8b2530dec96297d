"""Squeeze and excitation."""

import gin
import keras


@gin.register(module="panet_tf")
@keras.saving.register_keras_serializable("panet_tf")
class SqueezeExcite(keras.layers.Layer):
    """Weighs the channels of a map by what the whole map holds (Hu et al., 2018, section 3).

    Mean over all cells, a layer of `channels / reduction` units with ReLU, one of `channels` with a sigmoid, and the
    product of channels and the result. The two layers, `fc1` and `fc2`, are 1x1 convolutions, as in the published
    weights.

    Args:
        reduction: int. Defaults to 16, the paper's.

    Input: float (batch, height, width, channels).
    Output: of the same shape.

    Raises:
        ValueError: when built for fewer channels than `reduction`.

    Example:
        >>> x = SqueezeExcite()(tf.ones((1, 50, 84, 256)))
    """

    def __init__(self, *, reduction=16, **kwargs):
        super().__init__(**kwargs)
        self.reduction = reduction

    def build(self, input_shape):
        if self.built:  # the layers are made here
            return
        channels = input_shape[-1]
        if channels < self.reduction:
            raise ValueError(f"reduction must not exceed the channels, received {self.reduction} for {channels}.")

        def conv(filters, activation, name):
            return keras.layers.Conv2D(filters, 1, activation=activation, name=name, dtype=self.dtype_policy)

        self.fc1 = conv(channels // self.reduction, "relu", "fc1")
        self.fc2 = conv(channels, "sigmoid", "fc2")
        self.fc1.build((None, 1, 1, channels))
        self.fc2.build((None, 1, 1, channels // self.reduction))

    def call(self, inputs):
        return inputs * self.fc2(self.fc1(keras.ops.mean(inputs, axis=(1, 2), keepdims=True)))

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        return {**super().get_config(), "reduction": self.reduction}
