"""Progress of a run for people who read a log file."""

import sys
import time

import keras

from panet_tf.training.sgd import warn_of_unreached_rates

HIDDEN = ("step", "minutes", "learning_rate")  # the rest of the line says them, or history.csv does
SHOWN_METRICS = ("AP", "AP50")


class ProgressLines(keras.callbacks.Callback):
    """Prints one line every few seconds, and one an epoch, with the time that is left.

    Warns at the start of a schedule that the run's updates will not reach the end of.

    Args:
        control: `RunControl` of the run.
        seconds: float, time between two lines; `None` prints epochs only (beside Keras's bar). Defaults to 30.
        file: where to print. Defaults to `sys.stdout`.
    """

    def __init__(self, control, seconds=30.0, file=None):
        super().__init__()
        self.control = control
        self.seconds = seconds
        self.file = file
        self._spent = 0.0  # seconds inside batches, without evaluations and without the first, which traces the graph
        self._counted = 0

    def on_train_begin(self, logs=None):
        self._last_line = time.monotonic()
        if self.model is not None:
            warn_of_unreached_rates(self.model.optimizer, self.control.steps)

    def on_train_batch_begin(self, batch, logs=None):
        self._batch_start = time.monotonic()

    def on_train_batch_end(self, batch, logs=None):
        now = time.monotonic()
        if self._counted:
            self._spent += now - self._batch_start
        self._counted += 1
        if self.seconds is not None and now - self._last_line >= self.seconds:
            self._last_line = now
            self._print(f"step {self.control.step}/{self.control.steps}: {numbers(logs)}; {self._left()}")

    def on_epoch_end(self, epoch, logs=None):
        line = f"epoch {epoch + 1}/{self.params['epochs']}, step {self.control.step}/{self.control.steps}"
        self._print(f"{line}: {numbers(logs)}; {self._left()}")

    def _left(self):
        if self._counted < 2:
            return f"{self.control.minutes:.1f} min so far"
        per_step = self._spent / (self._counted - 1)
        return f"{per_step:.2f} s/step, about {self.control.minutes_left(per_step / 60):.1f} min of training left"

    def _print(self, line):
        print(line, file=self.file or sys.stdout, flush=True)


def numbers(logs):
    """The logs in one line: losses, and of each metric's many numbers the two that people look at."""
    shown = {
        name: float(value)
        for name, value in (logs or {}).items()
        if name not in HIDDEN and ("/" not in name or name.split("/", 1)[1] in SHOWN_METRICS)
    }
    return ", ".join(f"{name} {value:.4g}" for name, value in shown.items())
