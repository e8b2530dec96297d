"""Loading what fits of a file of weights into a model."""

import gin

from panet_tf.weights.arrays_file import read_arrays
from panet_tf.weights.conventions import set_conventions
from panet_tf.weights.h5_file import h5_names, is_listed
from panet_tf.weights.keras_applications import is_keras_applications
from panet_tf.weights.keras_file import load_keras_file
from panet_tf.weights.load_report import LoadReport
from panet_tf.weights.published import locate
from panet_tf.weights.sources import check_style, find_source
from panet_tf.weights.torch_layout import match_torch


@gin.register("load_weights", module="panet_tf")
def load(
    model,
    path,
    *,
    source=None,
    style=None,
    epsilon=None,
    conventions=True,
    architecture=None,
    rename=None,
    group=None,
    verbose=True,
):
    """Sets the weights of a model from a file, by name and shape; what does not fit is skipped and listed.

    So a detector for 3 categories starts from one for 80: its class-dependent layers keep their fresh values, and the
    report says which those are. Files of other programs' detectors are recognised by their names and brought to this
    package's order of box deltas, regions, anchors, classes and colours (our networks see red, green, blue). The model
    then gets the program's conventions, see `panet_tf.weights.conventions`: where its anchors lie, how it samples
    features, decodes and suppresses boxes, pastes masks and normalises images, so that it does what its source does.

    Args:
        model: built Keras model or layer.
        path: a `.keras` or `.weights.h5` file of a model of the same build; or of a file of arrays that are
            named as the model's `weight.path` or as torch names them: `.npz`, torch's `.pth` / `.pt`, `.pkl`,
            `.safetensors`, or `.h5` in Keras 2's layout; or of a ResNet or MobileNetV2 of `keras.applications`; or a
            name, as `"resnet50/imagenet"` (see `panet_tf.weights.published.locate`). Nothing in a file is ever run. Or
            a dict of such arrays by name.
        source: optional str, the program that made the file: `"torchvision"`, `"detectron2"`, `"mmdetection"`,
            `"panet"` (its authors' release) or `"keras_applications"`. By default the names of the arrays tell.
        style: optional str, of the backbone that training began with: `"torch"` (torchvision's: RGB with a std, strides
            in 3x3 convolutions) or `"caffe"` (MSRA's: BGR without, strides in 1x1 ones). By default what the program's
            published files are: detectron2's R-50 and R-101 caffe, its ResNeXts torch; mmdetection's caffe where the
            file's name says so.
        epsilon: optional float of the backbone's batch norms, which no file tells. By default the program's; for
            torchvision 0 where a file is named as its COCO files are (`..._coco-...`), else what the model has.
        conventions: bool, whether the program's conventions are set on the model. Defaults to True.
        architecture: optional str that completes a name, as `"resnet50"` does `"imagenet"`.
        rename: optional function from torch names in the file to torch-like names of the model, or to `None` to leave
            one out, as `lambda name: name.removeprefix("backbone.body.")`. With it, a Keras 3 file of another model is
            read by its layers' names, too, as `"conv1/kernel"`.
        group: optional str, for Keras files: the part of the file's model that `model` is, as `"backbone"`.
        verbose: bool, whether the report is printed. Defaults to True.

    Returns:
        `LoadReport` of loaded, skipped, missing and ignored weights, every array of the file being in one of them, and
        of the conventions that were set.

    Raises:
        ValueError: if nothing fits, or the file is of another kind or not of the program that was named.

    Example:
        >>> report = load(model, "coco_model.keras")
        >>> report.skipped
        (('box_head/classes/vars/0', (1024, 81), 'the model has (1024, 4)'), ...)
    """
    check_style(style)
    arrays, settings = {}, {}
    if isinstance(path, dict):
        arrays, name = path, "a dict"
    else:
        path = locate(path, architecture)
        name = path.name
        if rename is not None or source is not None or not _is_addressed(path):
            arrays = read_arrays(path)
    if arrays:
        found = find_source(arrays, source) if rename is None else None
        if found is None:
            loaded, skipped, missing = _load_named(model, arrays, rename)
        else:
            style = style or found.style(arrays, name)
            loaded, skipped, missing = _load_translated(model, arrays, found, style)
            settings = found.conventions(arrays, style, found.epsilon(name) if epsilon is None else epsilon)
    else:
        loaded, skipped, missing = load_keras_file(model, path, group)
    told = {*loaded, *(entry[0] for entry in skipped)}
    ignored = tuple(entry for entry in arrays if entry not in told)
    done = set_conventions(model, settings) if conventions and loaded else ()
    report = LoadReport(name, tuple(loaded), tuple(skipped), tuple(missing), ignored, done)
    if not loaded:
        raise ValueError(f"Nothing in {name} fits the model. {report}")
    if verbose:
        print(report, flush=True)
    return report


def _is_addressed(path):
    """Whether a file is one of Keras 3 whose arrays are found by their address, not by the names of layers."""
    if not path.name.endswith((".keras", ".h5", ".hdf5")) or is_listed(path):
        return False
    return not is_keras_applications(h5_names(path))


def _load_translated(model, arrays, source, style):
    """`_load_named` in a program's names and shapes. A weight may hold what several arrays of the file made."""
    translated, origins = source.translate(model, arrays, style)
    loaded, skipped, missing = _load_named(model, translated, None)
    skipped = [
        (name, arrays[name].shape, source.mismatch(model, name, arrays) or reason)
        for target, _, reason in skipped
        for name in origins[target]
    ]
    return [name for target in loaded for name in origins[target]], skipped, missing


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
