"""Batch normalisation whose numbers are all fixed."""

import gin
import keras
import tensorflow as tf


@gin.register(module="panet_tf")
@keras.saving.register_keras_serializable("panet_tf")
class FrozenBatchNorm(keras.layers.Layer):
    """Scales and shifts each channel by recorded statistics, in training too (Mask R-CNN, section 3.1: "frozen BN").

    `gamma * (x - moving_mean) / sqrt(moving_variance + epsilon) + beta`, folded into one product and one sum in
    float32. None of the four vectors is trainable, whatever `trainable` says, and none is ever updated; gradients reach
    the input. The weights are those of `keras.layers.BatchNormalization`, in their order.

    Args:
        epsilon: float, added to the variance. Defaults to 1e-5; torchvision's published COCO detectors have 0.

    Input: float (..., channels).
    Output: of the same shape.

    Example:
        >>> x = FrozenBatchNorm()(tf.ones((1, 8, 8, 64)))
    """

    def __init__(self, *, epsilon=1e-5, **kwargs):
        super().__init__(**kwargs)
        self.epsilon = epsilon

    def build(self, input_shape):
        def vector(name, initializer):
            return self.add_weight(
                name=name, shape=(input_shape[-1],), initializer=initializer, trainable=False, autocast=False
            )

        self.gamma = vector("gamma", "ones")
        self.beta = vector("beta", "zeros")
        self.moving_mean = vector("moving_mean", "zeros")
        self.moving_variance = vector("moving_variance", "ones")
        self.input_spec = keras.layers.InputSpec(min_ndim=2, axes={-1: input_shape[-1]})

    def call(self, inputs):
        scale = self.gamma * tf.math.rsqrt(self.moving_variance + self.epsilon)
        offset = self.beta - self.moving_mean * scale
        outputs = tf.cast(inputs, tf.float32) * scale + offset
        return tf.cast(outputs, self.compute_dtype)

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        return {**super().get_config(), "epsilon": self.epsilon}
