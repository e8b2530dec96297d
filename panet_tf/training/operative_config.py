"""The configuration that a run really used, beside its checkpoints."""

import pathlib

import gin
import keras

from panet_tf.training.atomic_write import write_atomically
from panet_tf.training.event_writer import EventWriter


class OperativeConfig(keras.callbacks.Callback):
    """Writes gin's operative configuration to `<model_dir>/operative_config.gin` and, as text, to TensorBoard.

    Operative means: every parameter of what was called so far, defaults included. What is called later (an
    evaluator) joins at the end of the epoch. Without gin nothing is written.

    Args:
        model_dir: folder of the run.
        log_dir: folder of TensorBoard's logs, or `None`.
    """

    def __init__(self, model_dir, log_dir=None):
        super().__init__()
        self.path = pathlib.Path(model_dir) / "operative_config.gin"
        self.log_dir = log_dir
        self._written = None

    def on_train_begin(self, logs=None):
        self._write(0)

    def on_epoch_end(self, epoch, logs=None):
        self._write(epoch + 1)

    def _write(self, epoch):
        config = gin.operative_config_str()
        if not config.strip() or config == self._written:
            return
        self._written = config
        write_atomically(self.path, config)
        if self.log_dir is not None:
            writer = EventWriter(self.log_dir)
            writer.text("operative_config", gin.markdown(config), step=epoch)
            writer.flush()
