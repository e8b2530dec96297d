"""Reading what torch saved before version 1.6, and what others still save in that format."""

import os
import struct

import numpy as np

from panet_tf.weights.restricted_unpickler import BROKEN, RestrictedUnpickler, named_arrays
from panet_tf.weights.torch_tensors import TorchUnpickler

_MAGIC = 0x1950A86A20F9469CFC6C
_VERSION = 1001


def read_torch_legacy(path):
    """Tensors of a `.pth` file in torch's first format as NumPy arrays.

    Pickles of a magic number, a version, facts about the machine, the content and the keys of its storages stand in a
    row; then, in the order of the keys, each storage's count and raw numbers. Tensors may be views of a storage, and
    old storages views of each other. Everything is checked against the file's size before memory is asked for.

    Args:
        path: str or path.

    Returns:
        dict from names to arrays, as `panet_tf.weights.torch_file.read_torch` gives it.

    Raises:
        ValueError: if it is no such file, names anything but tensors, or is cut off.

    Example:
        >>> arrays = read_torch_legacy("mask_rcnn_r50_fpn_1x_coco_20200205-d4b0c5d6.pth")
    """
    with open(path, "rb") as file:
        try:
            magic, version = (RestrictedUnpickler(file).load() for _ in range(2))
        except BROKEN as error:
            raise ValueError(f"{path} is neither of torch's zip format nor of its older one: {error}") from error
        if (magic, version) != (_MAGIC, _VERSION):
            raise ValueError(f"{path} does not begin as torch.save writes files, in neither of its formats.")
        try:
            machine = RestrictedUnpickler(file).load()
            if not machine["little_endian"]:
                raise ValueError("it is not little-endian")
            unpickler = TorchUnpickler(file)
            content = unpickler.load()
            keys = RestrictedUnpickler(file).load()
            _fill(unpickler.blocks, keys, file)
            return named_arrays(content)
        except (*BROKEN, struct.error) as error:
            raise ValueError(f"{path} cannot be read as a file of tensors: {error}") from error


def _fill(blocks, keys, file):
    by_key = {block.key: block for block in blocks.values()}
    if len(by_key) != len(blocks) or sorted(by_key) != sorted(keys):
        raise ValueError(f"its tensors need the blocks {sorted(by_key)!r:.200}, it lists {sorted(keys)!r:.200}")
    for key in keys:
        block = by_key[key]
        (count,) = struct.unpack("<q", file.read(8))
        if count != block.count:
            raise ValueError(f"block {key} should hold {block.count} numbers, it holds {count}")
        size, left = count * block.dtype.itemsize, os.fstat(file.fileno()).st_size - file.tell()
        if size > left:
            raise ValueError(f"block {key} needs {size} bytes, the file has {left} left")
        block.numbers = np.frombuffer(file.read(size), block.dtype)
