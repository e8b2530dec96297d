"""Instance and panoptic segmentation by region proposals for Keras 3 and TensorFlow.

What `keras.saving.load_model` may find in a file (models, their parts, preprocessing, optimizers and schedules) is
imported here. The names below are loaded on first use, so that `import panet_tf` costs little more than `import keras`.
"""

import importlib
import os
import sys


def _check_backend(backend):
    if backend != "tensorflow":
        raise ImportError(
            f'panet_tf needs the TensorFlow backend of Keras, received KERAS_BACKEND="{backend}". '
            "Set KERAS_BACKEND=tensorflow before the first import of keras."
        )


if "keras" not in sys.modules:  # before Keras asks for a backend that may not be installed
    _check_backend(os.environ.get("KERAS_BACKEND") or "tensorflow")

import keras  # noqa: E402

_check_backend(keras.backend.backend())

import panet_tf.data.preprocessing  # noqa: E402
import panet_tf.models  # noqa: E402
import panet_tf.training  # noqa: E402, F401

__version__ = "0.1.0"

_HOMES = {
    "CocoEvaluator": "panet_tf.evaluation.coco_evaluator",
    "DetectionData": "panet_tf.data.detection_data",
    "PanopticEvaluator": "panet_tf.evaluation.panoptic_evaluator",
    "Predictor": "panet_tf.inference.predictor",
    "evaluate": "panet_tf.training.evaluate",
    "export_saved_model": "panet_tf.export.saved_model",
    "from_checkpoint": "panet_tf.models.from_checkpoint",
    "from_preset": "panet_tf.models.presets",
    "presets": "panet_tf.models.presets",
    "train": "panet_tf.training.train",
}
_MODULES = (
    "backbones",
    "data",
    "evaluation",
    "export",
    "gin_setup",  # a module that can be called: panet_tf.gin_setup() and panet_tf.gin_setup.parse_gin are both there
    "heads",
    "inference",
    "layers",
    "losses",
    "models",
    "necks",
    "ops",
    "training",
    "visualization",
    "weights",
)
__all__ = sorted({*_HOMES, "gin_setup"})


def __getattr__(name):
    if name in _HOMES:
        return getattr(importlib.import_module(_HOMES[name]), name)
    if name in _MODULES:
        return importlib.import_module(f"panet_tf.{name}")
    raise AttributeError(f"module 'panet_tf' has no attribute '{name}'")


def __dir__():
    return sorted({*globals(), *__all__, *_MODULES})
