"""Runs that callbacks end, or that leave something else behind than their last epoch."""

import keras
import numpy as np

from panet_tf.data.preprocessing import Preprocessing
from tests.training.killed_run import run
from tests.training.tiny import TinyData
from tests.training.train_test import assert_equal_weights


class StopAt(keras.callbacks.Callback):
    """Ends `fit` after a number of batches, as what is told that its machine is wanted back."""

    def __init__(self, step):
        super().__init__()
        self.left = step

    def on_train_batch_end(self, batch, logs=None):
        self.left -= 1
        self.model.stop_training = self.model.stop_training or not self.left


class FirstEpochAgain(keras.callbacks.Callback):
    """Loads an earlier checkpoint when all is done."""

    def __init__(self, folder):
        super().__init__()
        self.path = folder / "checkpoints" / "epoch_000001.weights.h5"

    def on_train_end(self, logs=None):
        self.model.load_weights(self.path)


def test_a_stop_within_an_epoch_is_an_interruption(tmp_path):
    run(tmp_path, steps=10, steps_per_epoch=5, callbacks=(StopAt(3),))
    data = TinyData()
    run(tmp_path, steps=10, steps_per_epoch=5, callbacks=(StopAt(99),), train_data=data)
    assert data.steps_started == [3]


def test_a_callback_may_load_another_checkpoint_at_the_end(tmp_path):
    loading = FirstEpochAgain(tmp_path)
    first = run(tmp_path, steps=10, steps_per_epoch=5, callbacks=(loading,), keep_checkpoints=5)
    again = run(tmp_path, steps=10, steps_per_epoch=5, callbacks=(loading,), keep_checkpoints=5)
    assert first.optimizer.iterations == 5
    assert_equal_weights(first, again)


def test_the_data_that_know_how_images_are_shown_say_so(tmp_path):
    data, shown = TinyData(), Preprocessing(canvases=((32, 32),), short_side=8, long_side=16)
    data.preprocessing = shown
    model = run(tmp_path, steps=1, train_data=data, eval_data=None)
    assert model.preprocessing is shown
    model = run(tmp_path / "own", steps=1, train_data=data)  # the evaluation's do not know
    assert model.preprocessing is shown and np.isfinite(model.conv.bias.numpy()).all()
