"""Losses, AP and learning rate for TensorBoard."""

import gin
import keras

from panet_tf.training.event_writer import EventWriter


@gin.register(module="panet_tf")
class TensorBoardLogs(keras.callbacks.Callback):
    """Writes the logs of every epoch, with the training step (not the epoch) on the horizontal axis.

    Unlike `keras.callbacks.TensorBoard` it runs without the `tensorboard` package, which TensorFlow 2.21 does not
    bring, and a resumed run continues the curves where they were. Place it after the callbacks that add to the logs.

    Args:
        log_dir: folder of the event files.
    """

    def __init__(self, log_dir):
        super().__init__()
        self.writer = EventWriter(log_dir)

    def on_epoch_end(self, epoch, logs=None):
        logs = dict(logs or {})
        self.writer.scalars(logs, step=int(logs.pop("step", epoch + 1)))
        self.writer.flush()
