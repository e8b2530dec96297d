"""From torch's names and layouts to Keras's."""

import keras
import numpy as np

from panet_tf.layers.group_norm import GroupNorm

# Keras's variable by torch's, in norms and elsewhere.
_NORM_NAMES = {"weight": "gamma", "bias": "beta", "running_mean": "moving_mean", "running_var": "moving_variance"}
_NAMES = {"weight": "kernel", "bias": "bias"}


def match_torch(model, arrays, rename=None):
    """Pairs each torch-named array with a weight of a model.

    `layer1.0.conv1.weight` belongs to the kernel of the layer `layer1_0_conv1`: the last part names the variable, the
    rest, with "_" for ".", the layer (and those around it: `fpn.lateral_C2.conv.bias` is the bias of `conv` in
    `lateral_C2` in `fpn`). Kernels are brought from (out, in, height, width) to (height, width, in, out), depthwise
    ones to (height, width, in, 1), transposed ones from (in, out, height, width) to (height, width, out, in), linear
    ones to (in, out).

    Args:
        model: built Keras model or layer.
        arrays: dict from torch names to arrays.
        rename: optional function from a name in `arrays` to the name described above, or to `None` to leave it out.

    Returns:
        `(pairs, skipped)`: a list of (name, variable, array of the variable's shape), and a list of (name, shape,
        reason).

    Example:
        >>> pairs, skipped = match_torch(resnet(50), read_arrays("resnet50-0676ba61.pth"))
    """
    places = _places(model)
    pairs, skipped = [], []
    for name, array in arrays.items():
        target = rename(name) if rename else name
        if target is None or target.endswith("num_batches_tracked"):
            continue
        prefix, _, leaf = target.rpartition(".")
        layer, variables = places.get(prefix.replace(".", "_"), (None, {}))
        variable = variables.get((_NORM_NAMES if "gamma" in variables else _NAMES).get(leaf))
        if isinstance(layer, GroupNorm) and f"{name.rpartition('.')[0]}.running_mean" in arrays:
            skipped.append((name, array.shape, "numbers of a batch norm, the model has a group norm"))
        elif variable is None:
            skipped.append((name, array.shape, "not in the model"))
        else:
            converted = _keras_layout(layer, array)
            if converted.shape == tuple(variable.shape):
                pairs.append((name, variable, converted))
            else:
                wanted = _torch_shape(layer, tuple(variable.shape))
                skipped.append((name, array.shape, f"the model has {wanted}"))
    return pairs, skipped


def _places(model):
    """Layers by the "_"-joined names of themselves and the layers around them, with their own variables by name."""
    places = {}
    for layer in model._flatten_layers():
        for variable in layer._trainable_variables + layer._non_trainable_variables:
            place = variable.path.rpartition("/")[0].replace("/", "_")
            owner, variables = places.setdefault(place, (layer, {}))
            if owner is not layer:
                raise ValueError(f"Layers must have names of their own to be loaded by name, two are called {place}.")
            variables[variable.name] = variable
    return places


def _axes(layer, rank):
    """Torch's axes in Keras's order."""
    if rank == 4:
        return (2, 3, 0, 1) if isinstance(layer, keras.layers.DepthwiseConv2D) else (2, 3, 1, 0)
    return (1, 0) if rank == 2 else tuple(range(rank))


def _keras_layout(layer, array):
    return np.transpose(array, _axes(layer, array.ndim))


def _torch_shape(layer, shape):
    axes = _axes(layer, len(shape))
    return tuple(shape[axes.index(axis)] for axis in range(len(shape)))
