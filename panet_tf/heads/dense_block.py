"""Fully-connected layer, norm, activation."""

import math

import gin
import keras
import tensorflow as tf

from panet_tf.layers.norms import check_norm, make_norm


@gin.register(module="panet_tf")
@keras.saving.register_keras_serializable("panet_tf")
class DenseBlock(keras.layers.Layer):
    """Flattens each row and applies a fully-connected layer, a norm and an activation.

    The layer keeps its bias before a norm: group norm takes the mean of many units, not of one, so a bias counts.

    Args:
        units: int.
        norm: `None`, `"frozen_bn"`, `"batch"`, `"sync_bn"` or `"group"`. Defaults to `None`.
        activation: name of a Keras activation, or `None`. Defaults to `"relu"`.
        kernel_initializer: Keras initializer or its name. Defaults to `"lecun_uniform"`, uniform within
            sqrt(3 / fan in), which is Caffe2's XavierFill.

    Input: float (batch, ...), everything but the batch known; flattened in its order (rows, columns, channels).
    Output: float (batch, units).

    Raises:
        ValueError: for an unknown norm.

    Example:
        >>> hidden = DenseBlock(units=1024, norm="group")(tf.ones((512, 7, 7, 256)))
    """

    def __init__(self, *, units, norm=None, activation="relu", kernel_initializer="lecun_uniform", **kwargs):
        super().__init__(**kwargs)
        check_norm(norm)
        self.units = units
        self.norm_name = norm
        self.activation = keras.activations.get(activation)
        self.kernel_initializer = keras.initializers.get(kernel_initializer)
        self.dense = keras.layers.Dense(
            units, kernel_initializer=self.kernel_initializer, name="dense", dtype=self.dtype_policy
        )
        self.norm = make_norm(norm, name="norm", dtype=self.dtype_policy)

    def build(self, input_shape):
        if not self.dense.built:
            self.dense.build((None, math.prod(input_shape[1:])))
        if self.norm is not None and not self.norm.built:
            self.norm.build((None, self.units))

    def call(self, inputs, training=None):
        x = self.dense(tf.reshape(inputs, (-1, math.prod(inputs.shape[1:]))))
        if self.norm is not None:
            x = (
                self.norm(x, training=training)
                if isinstance(self.norm, keras.layers.BatchNormalization)
                else self.norm(x)
            )
        return self.activation(x)

    def get_config(self):
        linear = self.activation is keras.activations.linear
        return {
            **super().get_config(),
            "units": self.units,
            "norm": self.norm_name,
            "activation": None if linear else keras.activations.serialize(self.activation),
            "kernel_initializer": keras.initializers.serialize(self.kernel_initializer),
        }
