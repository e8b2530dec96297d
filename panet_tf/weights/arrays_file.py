"""Named arrays from files of several kinds."""

import pathlib

import numpy as np

from panet_tf.weights.torch_file import read_torch

# Where training programs keep the weights inside a checkpoint, beside optimizer states and the like.
_HOLDERS = ("state_dict", "model_state_dict", "model_state", "model")


def read_arrays(path):
    """Arrays of a `.npz`, `.pth` or `.pt` file, by name.

    Entries like "state_dict." and "module." that all wanted names begin with are taken off.

    Args:
        path: str or path.

    Returns:
        dict from names to NumPy arrays.

    Raises:
        ValueError: for other endings.

    Example:
        >>> arrays = read_arrays("mobilenet_v2-b0353104.npz")
    """
    suffix = pathlib.Path(path).suffix.lower()
    if suffix == ".npz":
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
    elif suffix in (".pth", ".pt"):
        arrays = read_torch(path)
    else:
        raise ValueError(f"Weights are read from .npz, .pth, .pt, .keras and .weights.h5 files, received {path}.")
    for holder in _HOLDERS:
        held = {name[len(holder) + 1 :]: array for name, array in arrays.items() if name.startswith(f"{holder}.")}
        if held:
            arrays = held
            break
    if arrays and all(name.startswith("module.") for name in arrays):
        arrays = {name.removeprefix("module."): array for name, array in arrays.items()}
    return arrays
