"""AdamW decays what it should."""

import keras
import numpy as np
import pytest

from panet_tf.training.adamw import AdamW


def test_kernels_decay_norms_and_biases_do_not():
    layer = keras.layers.Dense(3, bias_initializer="ones")
    layer.build((None, 2))
    norm = keras.layers.BatchNormalization()
    norm.build((None, 3))
    variables = [*layer.trainable_variables, *norm.trainable_variables]
    before = [variable.numpy() for variable in variables]
    optimizer = AdamW(0.1, weight_decay=0.5)
    optimizer.build(variables)
    optimizer.apply([np.zeros(variable.shape, "float32") for variable in variables])
    for variable, old in zip(variables, before):
        factor = 0.95 if variable.name == "kernel" else 1.0  # decoupled: rate times decay
        np.testing.assert_allclose(variable.numpy(), factor * old, rtol=1e-6, err_msg=variable.path)


def test_survives_its_config():
    again = keras.optimizers.deserialize(keras.optimizers.serialize(AdamW(0.1, exclude_from_decay=("bias",))))
    assert isinstance(again, AdamW) and again.exclude_from_decay == ("bias",)
    assert again.weight_decay == pytest.approx(0.05)
