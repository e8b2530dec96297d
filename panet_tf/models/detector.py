"""What every detector shares: named losses in `fit`, the same losses in `evaluate`, detections in `predict`."""

import keras
import tensorflow as tf

from panet_tf.backbones.freezing import freeze_whole
from panet_tf.losses.reduction import divide_by_global_count, global_count, num_replicas
from panet_tf.models.detector_inputs import check_classes, count_images

TARGETS = ("boxes", "classes", "is_crowd", "masks", "keypoints", "semantic", "panoptic")


class Detector(keras.Model):
    """A Keras model from one dict of inputs (and targets) to detections and named losses.

    `fit` and `evaluate` take data sets of flat dicts that hold inputs and targets together; `call` computes the losses
    where the targets are, so no part of the network runs twice. Subclasses implement `call` and return, beside their
    predictions, `"losses"`: a dict from each of `loss_names` to a pair (sum, count). The loss of a step is the weighted
    total of sum / count, with counts summed over all replicas. Where losses of several batches are averaged, a batch
    counts as often as it has images that are no padding. `class_loss` is the name of one for which classes must be the
    model's.

    The model never casts its inputs (boxes in bfloat16 would lose pixels); parts cast features on their own.

    Args:
        categories: sequence of dicts with at least `"id"` (the data set's own id) and `"name"`; class k of the model is
            `categories[k - 1]`.
        loss_names: tuple of names, in the order of the progress bar.
        loss_weights: dict from some of those names to factors. Names left out weigh 1. Defaults to none.
        seed: int, the run's seed of everything random inside the model. Defaults to 0.
        preprocessing: `panet_tf.data.Preprocessing` (or any serialisable object like it) that the model was trained
            with, for the predictor and the export. `panet_tf.train` sets it. Defaults to `None`.
        whole_pixels: False, True or `"inclusive"`, the rule by which the predictor, the evaluators and the export paste
            masks, see `panet_tf.ops.paste_window`. Importers set torchvision's and Detectron's. Defaults to False.

    Raises:
        ValueError: if a category lacks id or name, ids repeat, or a loss weight names no loss.
    """

    def __init__(
        self,
        *,
        categories,
        loss_names,
        loss_weights=None,
        seed=0,
        preprocessing=None,
        whole_pixels=False,
        **kwargs,
    ):
        super().__init__(autocast=False, **kwargs)
        self.preprocessing = preprocessing
        self.whole_pixels = whole_pixels
        self.categories = check_categories(categories)
        self.loss_names = tuple(loss_names)
        self.loss_weights = dict(loss_weights or {})
        unknown = sorted(set(self.loss_weights) - set(self.loss_names))
        if unknown:
            raise ValueError(f"loss_weights must name losses of the model {self.loss_names}, received {unknown}.")
        self.seed = int(seed)
        self.loss_trackers = [keras.metrics.Mean(name=name) for name in self.loss_names]

    def compile(self, optimizer="rmsprop", loss=None, loss_weights=None, metrics=None, weighted_metrics=None, **kwargs):
        """As Keras's, but for what a detector has of its own.

        Args:
            optimizer: as Keras's.
            loss, loss_weights, metrics, weighted_metrics: not taken.
            **kwargs: as Keras's: `run_eagerly`, `steps_per_execution`, `jit_compile`, `auto_scale_loss`.

        Raises:
            ValueError: for what is not taken, with what to do instead.

        Example:
            >>> model.compile(optimizer=panet_tf.training.SGD(learning_rate=0.01), jit_compile=False)
        """
        if loss:
            raise ValueError(f"a detector has its own losses, {self.loss_names}: leave `loss` out, received {loss!r}.")
        if loss_weights:
            raise ValueError(
                "weights of losses are an argument of the model, `loss_weights`, which its file then holds; leave them "
                f"out of compile, received {loss_weights!r}."
            )
        if metrics or weighted_metrics:
            raise ValueError(
                "metrics of detections need a whole data set: leave `metrics` and `weighted_metrics` out, and call "
                "panet_tf.evaluate(model, eval_data) or give fit callbacks=[panet_tf.training.EvaluationCallback("
                f"eval_data)], received {metrics or weighted_metrics!r}."
            )
        super().compile(optimizer=optimizer, **kwargs)

    def compile_from_config(self, config):
        """Compiles as the file's model was; Keras does so only for models without a `compile` of their own."""
        config = keras.saving.deserialize_keras_object(config)
        # Of files from before compile refused them, where they had no effect.
        not_taken = ("loss", "loss_weights", "metrics", "weighted_metrics")
        self.compile(**{name: value for name, value in config.items() if name not in not_taken})
        if self.optimizer is not None:
            self.optimizer.build(self.trainable_variables)

    def train_step(self, data):
        """Keras's, of data that could be the model's."""
        return super().train_step(self._checked(data))

    def test_step(self, data):
        """Keras's, of data that could be the model's; but padding images have no weight in the mean of `loss`."""
        x, _, _ = self._checked(data)
        loss = self.compute_loss(x, None, self(x, training=False), training=False)
        self._track(self._loss_tracker, loss, self._images(x))
        return self.compute_metrics(x, None, None)

    def _checked(self, data):
        x, y, sample_weight = keras.utils.unpack_x_y_sample_weight(data)
        if not isinstance(x, dict):
            raise ValueError(
                "fit and evaluate take data sets of dicts that hold inputs and targets, as panet_tf.DetectionData's "
                f"`dataset()` gives, received {type(x).__name__}."
            )
        if "class_loss" in self.loss_names and "classes" in x:
            x = {**x, "classes": check_classes(x["classes"], self.categories)}
        return x, y, sample_weight

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        """Total of the weighted losses that `call` found, this replica's share; updates the named metrics."""
        if "losses" not in y_pred:
            received = sorted(x) if isinstance(x, dict) else "no dict"
            raise ValueError(
                f"fit and evaluate need targets in the inputs: at least 'boxes' and 'classes', received {received}."
            )
        images = self._images(x)
        total = sum(loss / num_replicas() for loss in self.losses)  # regularisers that a user may have added
        for name, tracker in zip(self.loss_names, self.loss_trackers):
            share = divide_by_global_count(*y_pred["losses"][name])
            self._track(tracker, share, images)
            total += self.loss_weights.get(name, 1.0) * share
        return total

    def _images(self, x):
        """Images of a batch that are no padding, over all replicas."""
        return global_count(count_images(x)) if isinstance(x, dict) else num_replicas()

    def _track(self, tracker, share, images):
        """Lets a metric average a loss over images: `share` is this replica's, `images` the number of all replicas."""
        # Trackers sum over replicas. Keras reads data of unknown length until a step fails, and what does not depend
        # on the data happens even then: a constant would be counted once too often.
        with tf.control_dependencies([share]):
            tracker.update_state(share * num_replicas(), sample_weight=images / num_replicas())

    def predict_step(self, data):
        """Detections of one batch; targets that a validation set carries are left aside."""
        x, _, _ = keras.utils.unpack_x_y_sample_weight(data)
        if isinstance(x, dict):
            x = {key: value for key, value in x.items() if key not in TARGETS}
        return self(x, training=False)

    def predict(self, x, batch_size=None, verbose="auto", steps=None, callbacks=None):
        """As Keras's. Dense maps of several canvases cannot be joined: `ValueError` at the first batch that differs."""
        if not isinstance(callbacks, keras.callbacks.CallbackList):
            callbacks = [*keras.tree.flatten(callbacks or ()), _OneCanvas()]
        return super().predict(x, batch_size=batch_size, verbose=verbose, steps=steps, callbacks=callbacks)

    def _maybe_symbolic_build(self, iterator=None, data_batch=None):
        # Under a strategy Keras averages a batch over replicas only to learn its shapes, and bool has no average
        # (InvalidArgumentError on `is_crowd`). A detector is built by its constructor; its optimizer may not be.
        if self.optimizer is not None and not self.optimizer.built:
            with self.distribute_strategy.scope():
                self.optimizer.build(self.trainable_variables)

    @property
    def step(self):
        """Optimizer steps so far: keys everything random in training, so that a resumed run draws the same."""
        optimizer = getattr(self, "optimizer", None)
        return optimizer.iterations if optimizer is not None else 0

    def get_config(self):
        return {
            "version": 1,
            "categories": [dict(category) for category in self.categories],
            "loss_weights": dict(self.loss_weights),
            "seed": self.seed,
            "preprocessing": self.preprocessing and keras.saving.serialize_keras_object(self.preprocessing),
            "whole_pixels": self.whole_pixels,
            "name": self.name,
            "dtype": keras.saving.serialize_keras_object(self.dtype_policy),
        }

    @classmethod
    def from_config(cls, config):
        config = dict(config)
        version = config.pop("version", None)
        if version != 1:
            raise ValueError(f"{cls.__name__} reads configurations of version 1, received version {version}.")
        model = cls(**{key: keras.saving.deserialize_keras_object(value) for key, value in config.items()})
        for layer in model._flatten_layers(include_self=False):
            # Files of functional models have a flag of each layer, some of which may have been thawed.
            functional = isinstance(layer, keras.Sequential) or hasattr(layer, "operations")
            if not layer.trainable and not functional:
                freeze_whole(layer)
        return model


class _OneCanvas(keras.callbacks.Callback):
    """Stops a prediction whose batches do not fit together, before Keras makes Python lists of all their pixels."""

    shapes = None

    def on_predict_batch_end(self, batch, logs=None):
        # Keras hands out a flat dict, and single numbers as floats.
        shapes = {name: tuple(value.shape[1:]) for name, value in logs.items() if hasattr(value, "shape")}
        self.shapes = self.shapes or shapes
        for name, shape in shapes.items():
            if shape != self.shapes.get(name, shape):
                raise ValueError(
                    f"predict joins the batches, and {name!r} has shape {self.shapes[name]} in one and {shape} in "
                    "another, as their canvases differ. Predict each canvas by itself, or batch by batch with "
                    "predict_on_batch; panet_tf.Predictor gives maps of the images' own sizes."
                )


def check_categories(categories):
    """The categories as a tuple of dicts, after checking that each has an id and a name and that ids are unique.

    Args:
        categories: sequence of dicts with `"id"` and `"name"`.

    Returns:
        Tuple of dicts.

    Raises:
        ValueError: if a category lacks a key, an id repeats, or there is none.
    """
    categories = tuple(dict(category) for category in categories)
    if not categories or any("id" not in category or "name" not in category for category in categories):
        raise ValueError(
            f"categories must be a non-empty list of dicts with 'id' and 'name', received {categories!r:.200}."
        )
    ids = [category["id"] for category in categories]
    if len(set(ids)) < len(ids):
        raise ValueError(f"category ids must be unique, received {ids}.")
    return categories
