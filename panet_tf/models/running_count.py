"""What losses are divided by, evened out over the steps of training."""

import gin
import keras
import tensorflow as tf

from panet_tf.losses.reduction import global_count, num_replicas


@gin.register(module="panet_tf")
@keras.saving.register_keras_serializable("panet_tf")
class RunningCount(keras.layers.Layer):
    """Replaces a batch's count by its average over the last batches, for small ones whose counts leap.

    In training the average first takes in the batch's own count, at least 1, of all replicas together:
    `momentum * average + (1 - momentum) * count`. Otherwise it stays as it is, and divides what is evaluated. It is a
    weight: it is saved, and a resumed run goes on with it.

    Source: detectron2, `RetinaNet.losses`, whose processes each have an average of their own share of the batch.

    Args:
        momentum: float, 0 or more and below 1. Defaults to 0.9.
        initial: float, 1 or more, the average before the first step: a usual number of positives in a batch. Defaults
            to 100.

    Call arguments: `count`, scalar, this replica's count; `training`, bool.

    Output: float32 scalar without gradient, this replica's part of the average: those of all replicas add up to it, as
        counts do.

    Raises:
        ValueError: if a number is out of range.

    Example:
        >>> model = retinanet(categories=categories, running_count=RunningCount())
    """

    def __init__(self, *, momentum=0.9, initial=100.0, **kwargs):
        super().__init__(autocast=False, **kwargs)
        if not 0.0 <= momentum < 1.0:
            raise ValueError(f"momentum must be at least 0 and below 1, received {momentum}.")
        if initial < 1.0:
            raise ValueError(f"initial must be at least 1, received {initial}.")
        self.momentum = momentum
        self.initial = initial
        self.average = self.add_weight(
            name="average",
            shape=(),
            initializer=keras.initializers.Constant(initial),
            dtype="float32",
            trainable=False,
            autocast=False,
            aggregation="only_first_replica",  # all replicas assign the same number
        )
        self.built = True

    def call(self, count, training=False):
        average = tf.convert_to_tensor(self.average)
        if training:
            average = self.momentum * average + (1.0 - self.momentum) * tf.maximum(global_count(count), 1.0)
            self.average.assign(average)
        return tf.stop_gradient(average) / num_replicas()

    def get_config(self):
        return {**super().get_config(), "momentum": self.momentum, "initial": self.initial}
