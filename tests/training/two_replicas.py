"""Trains the tiny detector on one device and on two logical CPU devices; prints weights and losses as JSON.

A script of its own, because logical devices must be configured before TensorFlow does anything.
"""

import json

import keras
import numpy as np
import tensorflow as tf

from panet_tf.training.sgd import SGD
from panet_tf.training.strategies import make_strategy
from tests.training.tiny import TinyData, TinyDetector

CASES = {
    "plain": {},
    "clipped": {"global_clipnorm": 0.1},
    "accumulated": {"gradient_accumulation_steps": 2, "global_clipnorm": 0.1},
    "accumulated_bfloat16": {"gradient_accumulation_steps": 2, "dtype": "mixed_bfloat16"},
}


def train(strategy, dtype="float32", **arguments):
    keras.utils.set_random_seed(1)
    with strategy.scope():
        model = TinyDetector(dtype=dtype)
        model.compile(optimizer=SGD(0.05, weight_decay=0.01, nesterov=True, **arguments), jit_compile=False)
    start = {w.path: w.numpy() for w in model.weights}
    history = model.fit(TinyData().dataset(), steps_per_epoch=4, verbose=0, shuffle=False).history
    # Of the metrics the losses: those of two replicas must be the one device's, not half or double.
    result = {w.path: w.numpy() for w in model.weights} | {name: values[-1] for name, values in history.items()}
    moved = max(float(np.max(np.abs(result[path] - start[path]))) for path in start)
    return {name.split("/", 1)[-1]: np.asarray(value).tolist() for name, value in result.items()}, moved


if __name__ == "__main__":
    cpu = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
    results = {}
    for case, arguments in CASES.items():
        one, moved = train(make_strategy("one_device"), **arguments)
        two, _ = train(make_strategy("mirrored", ("CPU:0", "CPU:1")), **arguments)
        results[case] = {"one": one, "two": two, "moved": moved}
    print(json.dumps(results))
