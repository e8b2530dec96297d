"""Named arrays from files of several kinds."""

import pathlib
import zipfile

import numpy as np

from panet_tf.weights.h5_file import read_h5
from panet_tf.weights.pickle_file import read_pickle
from panet_tf.weights.safetensors_file import read_safetensors
from panet_tf.weights.torch_file import read_torch

# Where training programs keep the weights inside a checkpoint, beside optimizer states and the like.
_HOLDERS = ("state_dict", "model_state_dict", "model_state", "model", "blobs")
_TORCH_LEGACY = b"\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19."  # torch's magic number, as a pickle writes it
_HDF5 = b"\x89HDF\r\n\x1a\n"


def read_arrays(path):
    """Arrays of a file of weights, by name; nothing in it is run.

    The content says which kind it is, as endings are often others': `.npz`; torch's `.pth` of today and before
    version 1.6; pickles of arrays, as detectron2's `.pkl`; `.safetensors`; Keras's `.h5`, `.weights.h5` and `.keras`.
    Entries like "state_dict." and "module." that all wanted names begin with are taken off.

    Args:
        path: str or path.

    Returns:
        dict from names to NumPy arrays.

    Raises:
        ValueError: for other files, and for broken ones.

    Example:
        >>> arrays = read_arrays("mobilenet_v2-b0353104.npz")
    """
    arrays = _READERS[_kind(path)](path)
    for holder in _HOLDERS:
        held = {name[len(holder) + 1 :]: array for name, array in arrays.items() if name.startswith(f"{holder}.")}
        if held:
            arrays = held
            break
    if arrays and all(name.startswith("module.") for name in arrays):
        arrays = {name.removeprefix("module."): array for name, array in arrays.items()}
    return arrays


def _kind(path):
    with open(path, "rb") as file:
        start = file.read(16)
    if start[:4] == b"PK\x03\x04" and (kind := _kind_of_archive(path)):
        return kind
    if start[2:].startswith(_TORCH_LEGACY):
        return "torch"
    if start.startswith(_HDF5):
        return "h5"
    if start[8:9] == b"{" and int.from_bytes(start[:8], "little") < pathlib.Path(path).stat().st_size:
        return "safetensors"
    if start[:1] == b"\x80" or pathlib.Path(path).suffix.lower() in (".pkl", ".pickle"):
        return "pickle"
    endings = {".npz": "npz", ".pth": "torch", ".pt": "torch", ".safetensors": "safetensors", ".h5": "h5"}
    if pathlib.Path(path).suffix.lower() in endings:  # what is wrong with it is for its reader to say
        return endings[pathlib.Path(path).suffix.lower()]
    raise ValueError(
        f"Weights are read from .npz, .pth, .pt, .pkl, .safetensors, .keras, .weights.h5 and .h5 files, received "
        f"{path}, whose content is none of these."
    )


def _kind_of_archive(path):
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except zipfile.BadZipFile:
        return None
    if any(name.rpartition("/")[2] == "data.pkl" for name in names):
        return "torch"
    if "model.weights.h5" in names:
        return "h5"
    return "npz" if names and all(name.endswith(".npy") for name in names) else None


def _read_npz(path):
    try:
        with np.load(path, allow_pickle=False) as file:
            return {name: file[name] for name in file.files}
    except (OSError, EOFError, ValueError, zipfile.BadZipFile) as error:
        raise ValueError(f"{path} cannot be read as a file of arrays: {error}") from error


_READERS = {
    "h5": read_h5,
    "npz": _read_npz,
    "pickle": read_pickle,
    "safetensors": read_safetensors,
    "torch": read_torch,
}
