"""Where a run stands, and when it ends."""

import math
import time

import gin
import keras


@gin.register(module="panet_tf")
class RunControl(keras.callbacks.Callback):
    """Counts steps and minutes over resumptions, ends the run in time, and stops it on a loss that is not finite.

    At the end of an epoch it adds `step`, `minutes` and `learning_rate` to the logs, for the callbacks after it.

    Args:
        steps: int, training batches of the whole run.
        start_step: int, batches already done by earlier processes. Defaults to 0.
        max_minutes: float or `None`, ends the run cleanly (with its evaluation and checkpoint) after this much time in
            `fit`, earlier processes included. The learning-rate schedule does not know about it.
        start_minutes: float, minutes already spent by earlier processes. Defaults to 0.
        check_every: int, batches between two looks at the loss. Defaults to 20.

    Attributes:
        ended: bool, whether it was this callback that ended `fit`, and not another.

    Raises:
        FloatingPointError: when the loss is NaN or infinite, before any checkpoint holds the broken weights.
    """

    def __init__(self, steps, *, start_step=0, max_minutes=None, start_minutes=0.0, check_every=20):
        super().__init__()
        self.steps = steps
        self.step = start_step
        self.max_minutes = max_minutes
        self.start_minutes = start_minutes
        self.check_every = check_every
        self.ended = False
        self._start = None

    @property
    def minutes(self):
        """Minutes of this run up to now."""
        return self.start_minutes + (0.0 if self._start is None else (time.monotonic() - self._start) / 60)

    @property
    def finished(self):
        """Whether nothing is left to do."""
        return self.step >= self.steps or (self.max_minutes is not None and self.minutes >= self.max_minutes)

    def minutes_left(self, step_minutes):
        """Minutes to the end, from those that one batch takes."""
        left = (self.steps - self.step) * step_minutes
        return left if self.max_minutes is None else min(left, max(0.0, self.max_minutes - self.minutes))

    def on_train_begin(self, logs=None):
        self._start = time.monotonic()

    def on_train_batch_end(self, batch, logs=None):
        self.step += 1
        if self.step % self.check_every == 0:
            self._check(logs)
        if self.finished:
            self.ended = True
            self.model.stop_training = True  # the epoch ends here, with everything that an end of epoch does

    def on_epoch_end(self, epoch, logs=None):
        self._check(logs)
        logs["step"] = self.step
        logs["minutes"] = round(self.minutes, 3)
        logs["learning_rate"] = float(keras.ops.convert_to_numpy(self.model.optimizer.learning_rate))

    def _check(self, logs):
        loss = float(logs["loss"])
        if not math.isfinite(loss):
            named = {name: float(value) for name, value in logs.items()}
            raise FloatingPointError(
                f"The loss is {loss} at step {self.step}: {named}. The last checkpoint is still good. Try a lower "
                "learning rate (it must fit the batch size), a longer warm-up, or global_clipnorm."
            )
