"""The programs whose detectors we read: how each is recognised, translated, and behaves."""

import dataclasses
import difflib
from collections.abc import Callable

from panet_tf.weights import conventions
from panet_tf.weights.detectron2 import (
    detectron2_conventions,
    detectron2_mismatch,
    detectron2_style,
    is_detectron2,
    translate_detectron2,
)
from panet_tf.weights.keras_applications import (
    is_keras_applications,
    is_keras_resnet,
    translate_keras_applications,
)
from panet_tf.weights.mmdetection import (
    is_mmdetection,
    mmdetection_conventions,
    mmdetection_mismatch,
    mmdetection_style,
    translate_mmdetection,
)
from panet_tf.weights.panet_release import (
    is_panet_release,
    panet_release_conventions,
    panet_release_mismatch,
    translate_panet_release,
)
from panet_tf.weights.torchvision_detection import (
    is_torchvision_detector,
    predictor_mismatch,
    translate_torchvision,
)
from panet_tf.weights.torchvision_retinanet import (
    is_torchvision_retinanet,
    retinanet_mismatch,
    translate_torchvision_retinanet,
)

STYLES = ("torch", "caffe")


@dataclasses.dataclass(frozen=True)
class Source:
    """How one program's files are read.

    Attributes:
        name: str, what `load` and the scripts call it.
        recognises: function of a dict of arrays: whether their names are the program's.
        translate: function of (model, arrays, style): a dict from torch-like names or weights' paths of the model to
            arrays, and a dict from these to tuples of the file's names that they come from.
        mismatch: function of (model, name, arrays): why an array has no place, or `None` for the plain reason.
        conventions: function of (arrays, style, epsilon): settings for `set_conventions`.
        style: function of (arrays, the file's name): `"torch"` or `"caffe"`.
        epsilon: function of the file's name: that of the batch norms, or `None` where the file does not tell.
    """

    name: str
    recognises: Callable
    translate: Callable
    mismatch: Callable
    conventions: Callable
    style: Callable = lambda arrays, file_name: "torch"
    epsilon: Callable = lambda file_name: None


def _each(translate):
    """A translation of one array to one, with tuples for origins; what was added has no origin."""

    def run(model, arrays, style):
        translated, origins = translate(model, arrays, style)
        return translated, {target: () if name is None else (name,) for target, name in origins.items()}

    return run


def _published_epsilon(file_name):
    """torchvision sets its batch norms' epsilon to 0 for the COCO files that it publishes, which are named so."""
    return 0.0 if "_coco-" in file_name and "_v2_" not in file_name else None


def _torchvision_settings(arrays, style, epsilon):
    keypoints = any(name.startswith("roi_heads.keypoint_head.") for name in arrays)
    return conventions.torchvision(keypoints=keypoints, epsilon=epsilon)


SOURCES = (
    Source(
        "torchvision",
        is_torchvision_detector,
        _each(lambda model, arrays, style: translate_torchvision(model, arrays)),
        predictor_mismatch,
        _torchvision_settings,
        epsilon=_published_epsilon,
    ),
    Source(
        "torchvision",
        is_torchvision_retinanet,
        _each(lambda model, arrays, style: translate_torchvision_retinanet(model, arrays)),
        retinanet_mismatch,
        lambda arrays, style, epsilon: conventions.torchvision(dense=True, epsilon=epsilon),
        epsilon=_published_epsilon,
    ),
    Source(
        "detectron2",
        is_detectron2,
        _each(translate_detectron2),
        detectron2_mismatch,
        detectron2_conventions,
        style=detectron2_style,
    ),
    Source(
        "mmdetection",
        is_mmdetection,
        _each(translate_mmdetection),
        mmdetection_mismatch,
        mmdetection_conventions,
        style=mmdetection_style,
    ),
    Source(
        "panet",
        is_panet_release,
        _each(translate_panet_release),
        panet_release_mismatch,
        panet_release_conventions,
        style=lambda arrays, file_name: "caffe",
    ),
    Source(
        "keras_applications",
        is_keras_applications,
        lambda model, arrays, style: translate_keras_applications(model, arrays),
        lambda model, name, arrays: None,
        lambda arrays, style, epsilon: conventions.keras_applications(resnet=is_keras_resnet(arrays)),
    ),
)
NAMES = tuple(dict.fromkeys(source.name for source in SOURCES))


def find_source(arrays, name=None):
    """The program that arrays come from.

    Args:
        arrays: dict from names to arrays.
        name: optional str of `NAMES`, where it is known.

    Returns:
        `Source`, or `None` where no name was given and none recognises them.

    Raises:
        ValueError: for an unknown name, or names of arrays that are not that program's.
    """
    if name is not None and name not in NAMES:
        near = difflib.get_close_matches(str(name), NAMES, n=1)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        raise ValueError(f"source must be one of {NAMES}, received {name!r}.{hint}")
    for source in SOURCES:
        if name in (None, source.name) and source.recognises(arrays):
            return source
    if name is None:
        return None
    raise ValueError(
        f"These are no arrays of a detector of {name}, their names begin with {sorted(arrays)[:3]}. Leave source out, "
        "or say by rename how the names are to be changed."
    )


def check_style(style):
    """Raises a `ValueError` unless `style` is `None`, `"torch"` or `"caffe"`."""
    if style is not None and style not in STYLES:
        raise ValueError(f"style must be one of {STYLES} or None, received {style!r}.")
