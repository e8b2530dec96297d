"""How much of its data a run has left out."""

import functools
import sys

import keras

from panet_tf.data.detection_data import DetectionData
from panet_tf.data.mask_patches import MaskPatches


@functools.singledispatch
def left_out(data):
    """What was left out of the batches that this process has made, batches read ahead included.

    Args:
        data: any training data; of a class of one's own after `left_out.register`.

    Returns:
        dict from what it is to an int, empty for data that count nothing.

    Example:
        >>> left_out(DetectionData(source=source, batch_size=2, max_instances=100))
        {'instances beyond max_instances': 0}
    """
    return {}


@left_out.register
def _(data: DetectionData):
    return {"instances beyond max_instances": data.dropped_instances}


@left_out.register
def _(data: MaskPatches):
    return {"patches of unreadable images or without an empty place": data.unusable_patches}


class LeftOut(keras.callbacks.Callback):
    """Prints what was left out of the training data: after an epoch in which it has grown, and at the end.

    Args:
        data: training data, as of `left_out`.
        file: where to print. Defaults to `sys.stdout`.
    """

    def __init__(self, data, file=None):
        super().__init__()
        self.data = data
        self.file = file
        self._printed = {}

    def on_epoch_end(self, epoch, logs=None):
        counts = left_out(self.data)
        if counts != self._printed:
            self._print(counts, "so far")

    def on_train_end(self, logs=None):
        self._print(left_out(self.data), "in all")

    def _print(self, counts, when):
        self._printed = counts
        for name, count in counts.items():
            if count:
                print(f"left out of the training data {when}: {count} {name}", file=self.file or sys.stdout, flush=True)
