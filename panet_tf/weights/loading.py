"""Loading what fits of a file of weights into a model."""

import pathlib

import gin

from panet_tf.weights.arrays_file import read_arrays
from panet_tf.weights.h5_file import h5_names, is_listed
from panet_tf.weights.keras_applications import is_keras_applications, translate_keras_applications
from panet_tf.weights.keras_file import load_keras_file
from panet_tf.weights.load_report import LoadReport
from panet_tf.weights.published import locate
from panet_tf.weights.torch_layout import match_torch
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


@gin.register("load_weights", module="panet_tf")
def load(model, source, *, architecture=None, rename=None, group=None, verbose=True):
    """Sets the weights of a model from a file, by name and shape; what does not fit is skipped and listed.

    So a detector for 3 categories starts from one for 80: its class-dependent layers keep their fresh values, and the
    report says which those are. Files of torchvision's Faster and Mask R-CNN and RetinaNet are recognised by their
    names and brought to this package's order of box deltas, regions, anchors and classes;
    `panet_tf.models.torchvision_rcnn` and `torchvision_retinanet` make the models that behave as they do.

    Args:
        model: built Keras model or layer.
        source: path of a `.keras` or `.weights.h5` file of a model of the same build; or of a file of arrays that are
            named as the model's `weight.path` or as torch names them: `.npz`, torch's `.pth` / `.pt`, `.pkl`,
            `.safetensors`, or `.h5` in Keras 2's layout; or of a ResNet or MobileNetV2 of `keras.applications`; or a
            name, as `"resnet50/imagenet"` (see `panet_tf.weights.published.locate`). Nothing in a file is ever run. Or
            a dict of such arrays by name.
        architecture: optional str that completes a name, as `"resnet50"` does `"imagenet"`.
        rename: optional function from torch names in the file to torch-like names of the model, or to `None` to leave
            one out, as `lambda name: name.removeprefix("backbone.body.")`. With it, a Keras 3 file of another model is
            read by its layers' names, too, as `"conv1/kernel"`.
        group: optional str, for Keras files: the part of the file's model that `model` is, as `"backbone"`.
        verbose: bool, whether the report is printed. Defaults to True.

    Returns:
        `LoadReport` of loaded, skipped, missing and ignored weights: every array of the file is in one of them.

    Raises:
        ValueError: if nothing fits, or the file is of another kind.

    Example:
        >>> report = load(model, "coco_model.keras")
        >>> report.skipped
        (('box_head/classes/vars/0', (1024, 81), 'the model has (1024, 4)'), ...)
    """
    path = pathlib.Path("a dict") if isinstance(source, dict) else locate(source, architecture)
    if isinstance(source, dict) or rename is not None or not _is_addressed(path):
        arrays = source if isinstance(source, dict) else read_arrays(path)
        loaded, skipped, missing = _load_arrays(model, arrays, rename)
    else:
        arrays = {}
        loaded, skipped, missing = load_keras_file(model, path, group)
    told = {*loaded, *(name for name, _, _ in skipped)}
    ignored = tuple(name for name in arrays if name not in told)
    report = LoadReport(path.name, tuple(loaded), tuple(skipped), tuple(missing), ignored)
    if not loaded:
        raise ValueError(f"Nothing in {path} fits the model. {report}")
    if verbose:
        print(report, flush=True)
    return report


def _is_addressed(path):
    """Whether a file is one of Keras 3 whose arrays are found by their address, not by the names of layers."""
    if not path.name.endswith((".keras", ".h5", ".hdf5")) or is_listed(path):
        return False
    return not is_keras_applications(h5_names(path))


def _load_arrays(model, arrays, rename):
    if rename is None and is_keras_applications(arrays):
        return _load_keras_applications(model, arrays)
    if rename is None and hasattr(model, "rpn_head") and is_torchvision_detector(arrays):
        return _load_torchvision(model, arrays, translate_torchvision, predictor_mismatch)
    if rename is None and hasattr(model, "head") and is_torchvision_retinanet(arrays):
        return _load_torchvision(model, arrays, translate_torchvision_retinanet, retinanet_mismatch)
    return _load_named(model, arrays, rename)


def _load_torchvision(model, arrays, translate, mismatch):
    """`_load_named` in torchvision's names and shapes."""
    translated, origins = translate(model, arrays)
    loaded, skipped, missing = _load_named(model, translated, None)
    skipped = [
        (origins[name], arrays[origins[name]].shape, mismatch(model, origins[name], arrays) or reason)
        for name, _, reason in skipped
    ]
    return [origins[name] for name in loaded], skipped, missing


def _load_keras_applications(model, arrays):
    """`_load_named` by paths; a path may hold what two arrays of the file made."""
    translated, origins = translate_keras_applications(model, arrays)
    loaded, skipped, missing = _load_named(model, translated, None)
    skipped = [(name, arrays[name].shape, reason) for path, _, reason in skipped for name in origins[path]]
    return [name for path in loaded for name in origins[path]], skipped, missing


def _load_named(model, arrays, rename):
    by_path = {weight.path: weight for weight in model.weights}
    if rename is not None and any("/" in name for name in arrays):  # of Keras's layers, not of torch's
        return _load_renamed(model, arrays, rename)
    own = {name: array for name, array in arrays.items() if name in by_path}
    pairs, skipped = match_torch(model, {name: a for name, a in arrays.items() if name not in own}, rename)
    for name, array in own.items():
        if array.shape == tuple(by_path[name].shape):
            pairs.append((name, by_path[name], array))
        else:
            skipped.append((name, array.shape, f"the model has {tuple(by_path[name].shape)}"))
    for _, weight, array in pairs:
        weight.assign(array)
    reached = {id(weight) for _, weight, _ in pairs}
    missing = [weight.path for weight in model.weights if id(weight) not in reached]
    return [name for name, _, _ in pairs], skipped, missing


def _load_renamed(model, arrays, rename):
    """`_load_named` under the names that a function gives; `None` leaves an array out."""
    renamed = {name: rename(name) for name in arrays}
    origins = {new: name for name, new in renamed.items() if new is not None}
    loaded, skipped, missing = _load_named(model, {new: arrays[name] for new, name in origins.items()}, None)
    skipped = [(origins[new], shape, reason) for new, shape, reason in skipped]
    return [origins[new] for new in loaded], skipped, missing
