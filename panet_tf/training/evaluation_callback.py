"""AP in the logs of `fit`."""

import gin
import keras

from panet_tf.training.evaluate import evaluate


@gin.register(module="panet_tf")
class EvaluationCallback(keras.callbacks.Callback):
    """Evaluates at the end of epochs and adds `val_<metric>` to the logs, e.g. `val_segm/AP` or `val_pq`.

    Place it before callbacks that read those logs (`Checkpointing`, `keras.callbacks.EarlyStopping` and the like).

    Args:
        data: `panet_tf.data.DetectionData` made for evaluation.
        evaluators: as in `panet_tf.training.evaluate`. Defaults to COCO's and, of panoptic models, panoptic quality.
        every: int, epochs between evaluations; the last epoch is always evaluated. Defaults to 1.
        max_images: int or `None`, how many images to look at. Defaults to all.
        verbose: as in `panet_tf.training.evaluate`.

    Example:
        >>> model.fit(train_data.dataset(), steps_per_epoch=100, epochs=10, callbacks=[EvaluationCallback(eval_data)])
    """

    def __init__(self, data, *, evaluators=None, every=1, max_images=None, verbose="auto"):
        super().__init__()
        if every < 1:
            raise ValueError(f"every must be at least 1 epoch, received {every}.")
        self.data = data
        self.evaluators = evaluators
        self.every = every
        self.max_images = max_images
        self.verbose = verbose
        self.measured = False  # in the epoch that has just ended

    def on_epoch_end(self, epoch, logs=None):
        last = epoch + 1 == self.params.get("epochs") or self.model.stop_training
        self.measured = last or (epoch + 1) % self.every == 0
        if not self.measured:
            return
        results = evaluate(
            self.model, self.data, evaluators=self.evaluators, max_images=self.max_images, verbose=self.verbose
        )
        logs.update({f"val_{name}": value for name, value in results.items()})
