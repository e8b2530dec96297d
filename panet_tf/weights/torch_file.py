"""Reading tensors that torch saved, without torch and without running anything that the file says."""

import io
import zipfile

import numpy as np

from panet_tf.weights.restricted_unpickler import BROKEN, named_arrays
from panet_tf.weights.torch_legacy_file import read_torch_legacy
from panet_tf.weights.torch_tensors import TorchUnpickler


def read_torch(path):
    """Tensors of a `.pth` or `.pt` file as NumPy arrays.

    Such a file is a zip archive: a pickle that names tensors, and one block of raw numbers for each. The pickle is
    read by an unpickler that knows containers, arrays and torch's tensor constructors and refuses every other name, so
    a file cannot run code; sizes and strides are checked against the block before use. Files from before torch 1.6
    (and those that mmdetection still publishes) are pickles and blocks in a row: see `read_torch_legacy`.

    Args:
        path: str or path, the file, as `torch.save` writes it.

    Returns:
        dict from names to arrays, in the file's order. Tensors inside nested dicts have their keys joined with ".";
        other values (epochs, arguments) are left out. bfloat16 becomes float32.

    Raises:
        ValueError: if it is no such file, names anything but tensors, or describes a tensor outside of its block.

    Example:
        >>> read_torch("resnet50-0676ba61.pth")["conv1.weight"].shape
        (64, 3, 7, 7)
    """
    with open(path, "rb") as file:
        if file.read(4) != b"PK\x03\x04":
            return read_torch_legacy(path)
    with zipfile.ZipFile(path) as archive:
        pickles = [name for name in archive.namelist() if name == "data.pkl" or name.endswith("/data.pkl")]
        if len(pickles) != 1:
            raise ValueError(f"{path} must hold one data.pkl, found {pickles}.")
        if any(entry.compress_type != zipfile.ZIP_STORED for entry in archive.infolist()):
            raise ValueError(f"{path} holds compressed entries, which torch never writes.")
        root = pickles[0][: -len("data.pkl")]
        if f"{root}byteorder" in archive.namelist() and archive.read(f"{root}byteorder") != b"little":
            raise ValueError(f"{path} must be little-endian, received {archive.read(f'{root}byteorder')!r}.")
        try:
            unpickler = TorchUnpickler(io.BytesIO(archive.read(pickles[0])))
            content = unpickler.load()
            for block in unpickler.blocks.values():
                block.numbers = _numbers(archive.read(f"{root}data/{block.key}"), block)
            return named_arrays(content)
        except (*BROKEN, zipfile.BadZipFile) as error:
            raise ValueError(f"{path} cannot be read as a file of tensors: {error}") from error


def _numbers(data, block):
    if len(data) < block.count * block.dtype.itemsize:
        raise ValueError(f"block {block.key} should hold {block.count} numbers, it has {len(data)} bytes")
    return np.frombuffer(data, block.dtype, block.count)
