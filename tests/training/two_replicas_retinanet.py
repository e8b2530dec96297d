"""Trains a tiny RetinaNet on one device and on two logical CPU devices; writes what to compare to an npz file.

A script of its own, because logical devices must be configured before TensorFlow does anything.
"""

import sys

import keras
import numpy as np
import tensorflow as tf

from panet_tf.models.running_count import RunningCount
from panet_tf.training.sgd import SGD
from panet_tf.training.strategies import make_strategy
from tests.models.tiny import batch_of_boxes
from tests.models.tiny import tiny_retinanet as tiny

CASES = {  # what losses are divided by
    "own_counts": {},
    "running_counts": {"running_count": RunningCount},
    "running_counts_of_classes": {"running_count": RunningCount, "normalizers": {"box_loss": "positive_per_image"}},
}


def train(strategy, settings):
    """Yields (name, array) of everything to compare, after three steps."""
    keras.utils.set_random_seed(1)
    batches = [batch_of_boxes(batch=4, seed=i, empty=(0, 1) if i else ()) for i in range(3)]  # replicas count unevenly
    batches = {name: np.concatenate([batch[name] for batch in batches]) for name in batches[0]}
    with strategy.scope():
        running = settings.get("running_count")
        model = tiny(**settings | ({"running_count": running(initial=20.0)} if running else {}))
        model.compile(optimizer=SGD(0.05), jit_compile=False)
    start = [weight.numpy() for weight in model.weights]
    dataset = tf.data.Dataset.from_tensor_slices(batches).batch(4, drop_remainder=True)
    for name, values in model.fit(dataset, verbose=0, shuffle=False).history.items():
        yield f"losses/{name}", values[-1]
    for i, (weight, before) in enumerate(zip(model.weights, start)):
        yield f"weights/{i}", weight.numpy()
        yield f"moved/{i}", np.abs(weight.numpy() - before).max()
    if running:
        yield "average", model.running_count.average.numpy()


if __name__ == "__main__":
    cpu = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
    results = {}
    for case, settings in CASES.items():
        for replicas, strategy in (("one", make_strategy()), ("two", make_strategy("mirrored", ("CPU:0", "CPU:1")))):
            results |= {f"{case}/{replicas}/{name}": array for name, array in train(strategy, settings)}
    np.savez(sys.argv[1], **results)
