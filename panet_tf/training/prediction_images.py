"""Pictures of what the model sees, while it trains."""

import pathlib

import gin
import keras
import numpy as np
import tensorflow as tf

from panet_tf.training.evaluate import predictions


@gin.register(module="panet_tf")
class PredictionImages(keras.callbacks.Callback):
    """Draws predictions beside the ground truth, for TensorBoard and as PNG files.

    The first images of the data are drawn at the end of epochs, into `<model_dir>/images/epoch_000012_<image id>.png` and, under
    the same image's name, into TensorBoard, where the slider goes through the epochs.

    Args:
        data: `panet_tf.data.DetectionData` made for evaluation.
        model_dir: folder of the run.
        count: int, number of images. Defaults to 4.
        every: int, epochs between drawings; the last epoch is always drawn. Defaults to 1.
        score_threshold: float, detections below it are not drawn. Defaults to 0.5.
    """

    def __init__(self, data, model_dir, *, count=4, every=1, score_threshold=0.5):
        super().__init__()
        self.data = data
        self.model_dir = pathlib.Path(model_dir)
        self.count = count
        self.every = every
        self.score_threshold = score_threshold

    def on_epoch_end(self, epoch, logs=None):
        last = epoch + 1 == self.params.get("epochs") or self.model.stop_training
        if (epoch + 1) % self.every and not last:
            return
