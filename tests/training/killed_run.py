"""A tiny run that may kill itself, as a script: `python -m tests.training.killed_run FOLDER WHEN`.

WHEN is `never`, `step N` (in the middle of an epoch) or `checkpoint N` (with half of the N-th checkpoint on disk).
"""

import os
import signal
import sys

import keras

from panet_tf.training import checkpointing
from panet_tf.training.sgd import SGD
from panet_tf.training.train import train
from panet_tf.training.warmup_step_decay import WarmupStepDecay
from tests.training.tiny import TinyData, TinyDetector


def run(folder, **arguments):
    defaults = dict(
        model=TinyDetector,
        train_data=TinyData(),
        eval_data=TinyData(training=False),
        model_dir=folder,
        steps=25,
        steps_per_epoch=10,
        optimizer=lambda: SGD(WarmupStepDecay(0.05, boundaries=(15,), warmup_steps=5), global_clipnorm=10.0),
        prediction_images=0,
        verbose=False,
    )
    return train(**{**defaults, **arguments})


class KillAt(keras.callbacks.Callback):
    def __init__(self, step):
        super().__init__()
        self.left = step

    def on_train_batch_end(self, batch, logs=None):
        self.left -= 1
        if not self.left:
            os.kill(os.getpid(), signal.SIGKILL)


def kill_in_checkpoint(number):
    save, written = checkpointing.save_checkpoint, []

    def half_save(model, path, state):
        save(model, path, state)
        written.append(path)
        if len(written) == number:
            os.truncate(path, path.stat().st_size // 2)
            os.kill(os.getpid(), signal.SIGKILL)

    checkpointing.save_checkpoint = half_save


if __name__ == "__main__":
    folder, kind, *number = sys.argv[1:]
    if kind == "checkpoint":
        kill_in_checkpoint(int(number[0]))
    run(folder, callbacks=(KillAt(int(number[0])),) if kind == "step" else ())
