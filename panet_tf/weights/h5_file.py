"""Reading weights by layers' names from HDF5 files that Keras wrote."""

import collections
import re
import zipfile

import h5py
import numpy as np

# Keras 3 numbers the weights of a layer. What they are, by the class that its group is called after.
_NORM = ("gamma", "beta", "moving_mean", "moving_variance")
_VARIABLES = {
    "conv2d": ("kernel", "bias"),
    "conv2d_transpose": ("kernel", "bias"),
    "dense": ("kernel", "bias"),
    "depthwise_conv2d": ("kernel", "bias"),
    "batch_normalization": _NORM,
    "frozen_batch_norm": _NORM,
}
_INSIDE = "model.weights.h5"


def read_h5(path):
    """Arrays of a `.h5`, `.weights.h5` or `.keras` file of any Keras model, by layer and variable.

    Two layouts are read. Keras 1 and 2 (and `keras.applications`' published files): attributes `layer_names` and
    `weight_names` list the arrays. Keras 3: groups carry their layer's name, and its variables are numbered; names come
    from the kind of layer. Optimizer states are left out.

    Args:
        path: str or path.

    Returns:
        dict from names as `"conv1_conv/kernel"` to NumPy arrays, in the file's order. In Keras 3's layout a variable
        of an unknown kind of layer keeps its number, and a layer that repeats another's name has its address in front.

    Raises:
        ValueError: if it is no HDF5 file of weights, or broken.

    Example:
        >>> read_h5("resnet50_weights_tf_dim_ordering_tf_kernels_notop.h5")["conv1_conv/kernel"].shape
        (7, 7, 3, 64)
    """
    return _opened(path, lambda found: {name: _array(dataset) for name, dataset in found.items()})


def _opened(path, use):
    """What `use` makes of a file's datasets by name while the file is open."""
    try:
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive, archive.open(_INSIDE) as inner, h5py.File(inner, "r") as file:
                return use(_datasets(file))
        with h5py.File(path, "r") as file:
            return use(_datasets(file))
    except (OSError, KeyError, RuntimeError, TypeError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} cannot be read as a file of Keras's weights: {error}") from error


def h5_names(path):
    """Names that `read_h5` gives to a file's arrays, without reading these; nothing for what it cannot read.

    Args:
        path: str or path.

    Returns:
        Set of str.
    """
    try:
        return set(_opened(path, list))
    except ValueError:
        return set()


def is_listed(path):
    """Whether a file has the layout of Keras 1 and 2, which lists its layers.

    Args:
        path: str or path.

    Returns:
        bool; False for what is no HDF5 file.
    """
    if not h5py.is_hdf5(path):
        return False
    with h5py.File(path, "r") as file:
        return _root(file) is not None


def _datasets(file):
    root = _root(file)
    return _numbered(file) if root is None else _listed(root)


def _root(file):
    """Where the list of layers is: at the top, or in `model_weights` of a whole model's file."""
    for group in (file, file.get("model_weights")):
        if isinstance(group, h5py.Group) and ("layer_names" in group.attrs or "layer_names0" in group.attrs):
            return group
    return None


def _strings(attributes, name):
    """A list of strings, which is cut into name0, name1 ... where it is too long for one attribute."""
    chunks = [name] if name in attributes else []
    while not chunks or chunks[0] != name:
        following = f"{name}{len(chunks)}"
        if following not in attributes:
            break
        chunks.append(following)
    values = [value for chunk in chunks for value in attributes[chunk]]
    return [value.decode() if isinstance(value, bytes) else str(value) for value in values]


def _listed(root):
    datasets = {}
    for layer in _strings(root.attrs, "layer_names"):
        for weight in _strings(root[layer].attrs, "weight_names"):
            name = weight.removesuffix(":0")
            if name.split("/")[0] != layer:
                name = f"{layer}/{name}"
            datasets[name] = root[layer][weight]
    return datasets


def _numbered(file):
    addresses = []

    def visit(address, node):
        if isinstance(node, h5py.Dataset) and not address.startswith("optimizer/"):
            addresses.append(address)

    file.visititems(visit)
    groups = {address: address.rpartition("/")[0] for address in addresses}
    layers = {group: str(file[group].attrs.get("name", "")) if group else "" for group in set(groups.values())}
    repeats = collections.Counter(layers.values())
    datasets = {}
    for address, group in groups.items():
        layer = group.removesuffix("vars").rstrip("/")
        known = _VARIABLES.get(re.sub(r"_\d+$", "", layer.rpartition("/")[2]), ())
        number = address.rpartition("/")[2]
        variable = known[int(number)] if number.isdigit() and int(number) < len(known) else number
        name = layers[group] if layers[group] and repeats[layers[group]] == 1 else layer
        datasets[f"{name}/{variable}"] = file[address]
    return datasets


def _array(dataset):
    if not isinstance(dataset, h5py.Dataset) or dataset.dtype.kind not in "biuf":
        raise TypeError(f"{dataset.name} holds no numbers")
    return np.asarray(dataset[()])
