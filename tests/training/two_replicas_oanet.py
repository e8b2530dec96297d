"""Trains a tiny OANet for a step on one device and on two logical CPU devices; writes losses and weights to an npz.

A script of its own, because logical devices must be configured before TensorFlow does anything.
"""

import sys

import keras
import numpy as np
import tensorflow as tf

from panet_tf.training.sgd import SGD
from panet_tf.training.strategies import make_strategy
from tests.models.panoptic_scene import panoptic_batch, tiny_oanet


def train(strategy):
    keras.utils.set_random_seed(1)
    batch = panoptic_batch(batch=4, empty=(3,))
    batch["semantic"][1, ::2] = 255  # replicas count different numbers of pixels
    data = tf.data.Dataset.from_tensor_slices(batch).batch(4).repeat()
    options = tf.data.Options()
    options.experimental_distribute.auto_shard_policy = tf.data.experimental.AutoShardPolicy.DATA
    with strategy.scope():
        model = tiny_oanet()
        model.compile(optimizer=SGD(0.01))
    history = model.fit(data.with_options(options), steps_per_epoch=1, verbose=0).history
    yield from ((f"losses/{name}", values[-1]) for name, values in history.items())
    yield from ((f"weights/{i}", weight.numpy()) for i, weight in enumerate(model.trainable_weights))


if __name__ == "__main__":
    cpu = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
    results = {}
    for replicas, strategy in (("one", make_strategy()), ("two", make_strategy("mirrored", ("CPU:0", "CPU:1")))):
        results |= {f"{replicas}/{name}": array for name, array in train(strategy)}
    np.savez(sys.argv[1], **results)
