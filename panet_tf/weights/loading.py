"""Loading what fits of a file of weights into a model."""

import pathlib

import gin

from panet_tf.weights.arrays_file import read_arrays
from panet_tf.weights.keras_file import load_keras_file
from panet_tf.weights.load_report import LoadReport
from panet_tf.weights.published import locate
from panet_tf.weights.torch_layout import match_torch


@gin.register("load_weights", module="panet_tf")
def load(model, source, *, architecture=None, rename=None, group=None, verbose=True):
    """Sets the weights of a model from a file, by name and shape; what does not fit is skipped and listed.

    So a detector for 3 categories starts from one for 80: its class-dependent layers keep their fresh values, and the
    report says which those are.

    Args:
        model: built Keras model or layer.
        source: path of a `.keras` or `.weights.h5` file of a model of the same build, of a `.npz` file of arrays
            named as the model's `weight.path` or as torch names them, or of a torch `.pth` / `.pt` file; or a name, as
            `"resnet50/imagenet"` (see `panet_tf.weights.published.locate`). Nothing in a file is ever run.
        architecture: optional str that completes a name, as `"resnet50"` does `"imagenet"`.
        rename: optional function from torch names in the file to torch-like names of the model, or to `None` to leave
            one out, as `lambda name: name.removeprefix("backbone.body.")`.
        group: optional str, for Keras files: the part of the file's model that `model` is, as `"backbone"`.
        verbose: bool, whether the report is printed. Defaults to True.

    Returns:
        `LoadReport` of loaded, skipped and missing weights.

    Raises:
        ValueError: if nothing fits, or the file is of another kind.

    Example:
        >>> report = load(model, "coco_model.keras")
        >>> report.skipped
        (('box_head/classes/vars/0', (1024, 81), 'the model has (1024, 4)'), ...)
    """
    path = locate(source, architecture)
    if path.name.endswith((".keras", ".h5", ".hdf5")):
        loaded, skipped, missing = load_keras_file(model, path, group)
    else:
        loaded, skipped, missing = _load_arrays(model, read_arrays(path), rename)
    report = LoadReport(path.name, tuple(loaded), tuple(skipped), tuple(missing))
    if not loaded:
        raise ValueError(f"Nothing in {pathlib.Path(path)} fits the model. {report}")
    if verbose:
        print(report, flush=True)
    return report


def _load_arrays(model, arrays, rename):
    by_path = {weight.path: weight for weight in model.weights}
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
