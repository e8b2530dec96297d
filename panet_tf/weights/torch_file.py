"""Reading tensors that torch saved, without torch and without running anything that the file says."""

import collections
import io
import math
import pickle
import zipfile

import ml_dtypes
import numpy as np

# Storage classes by which torch names the type of a block of numbers.
_STORAGES = {
    "DoubleStorage": np.float64,
    "FloatStorage": np.float32,
    "HalfStorage": np.float16,
    "BFloat16Storage": ml_dtypes.bfloat16,
    "LongStorage": np.int64,
    "IntStorage": np.int32,
    "ShortStorage": np.int16,
    "CharStorage": np.int8,
    "ByteStorage": np.uint8,
    "BoolStorage": np.bool_,
}


def read_torch(path):
    """Tensors of a `.pth` or `.pt` file as NumPy arrays.

    Such a file is a zip archive: a pickle that names tensors, and one block of raw numbers for each. The pickle is
    read by an unpickler that knows ordered dicts and torch's tensor constructors and refuses every other name, so a
    file cannot run code; sizes and strides are checked against the block before use.

    Args:
        path: str or path, the file, as `torch.save` writes it since version 1.6.

    Returns:
        dict from names to arrays, in the file's order. Tensors inside nested dicts have their keys joined with ".";
        other values (epochs, arguments) are left out. bfloat16 becomes float32.

    Raises:
        ValueError: if it is no such file, names anything but tensors, or describes a tensor outside of its block.

    Example:
        >>> read_torch("resnet50-0676ba61.pth")["conv1.weight"].shape
        (64, 3, 7, 7)
    """
    if not zipfile.is_zipfile(path):
        raise ValueError(
            f"{path} is not in torch's zip format (torch 1.6 or later). Older files can be converted where torch is "
            "installed: torch.save(torch.load(old), new)."
        )
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
            content = _Unpickler(io.BytesIO(archive.read(pickles[0])), archive, root).load()
        except (pickle.UnpicklingError, EOFError, LookupError, TypeError, ValueError, AttributeError) as error:
            raise ValueError(f"{path} cannot be read as a file of tensors: {error}") from error
    return dict(_tensors(content, ()))


class _Unpickler(pickle.Unpickler):
    def __init__(self, file, archive, root):
        super().__init__(file)
        self.archive = archive
        self.root = root
        self.blocks = {}

    def find_class(self, module, name):
        if module == "torch" and name in _STORAGES:
            return _Storage(name)
        known = {
            ("collections", "OrderedDict"): collections.OrderedDict,
            ("torch._utils", "_rebuild_tensor_v2"): _tensor,
            ("torch._utils", "_rebuild_parameter"): _parameter,
            ("torch.nn.parameter", "Parameter"): _parameter,
        }
        if (module, name) not in known:
            raise pickle.UnpicklingError(f"it names {module}.{name}, which is not a tensor")
        return known[module, name]

    def persistent_load(self, pid):
        kind, storage, key, _, count = pid
        if kind != "storage" or not isinstance(storage, _Storage):
            raise pickle.UnpicklingError(f"unknown reference {pid!r}")
        if key not in self.blocks:
            block = np.frombuffer(self.archive.read(f"{self.root}data/{key}"), _STORAGES[storage.name])
            if len(block) < count:
                raise pickle.UnpicklingError(f"block {key} should hold {count} numbers, it holds {len(block)}")
            self.blocks[key] = block
        return self.blocks[key]


class _Storage:
    """Stands for a storage class of torch; nothing can be called on it."""

    def __init__(self, name):
        self.name = name


def _tensor(block, offset, size, stride, *_):
    if not isinstance(block, np.ndarray):
        raise pickle.UnpicklingError("a tensor without a block")
    last = offset + sum((n - 1) * step for n, step in zip(size, stride, strict=True))
    if offset < 0 or min((*size, *stride, 0)) < 0 or (math.prod(size) > 0 and last >= len(block)):
        raise pickle.UnpicklingError(f"size {size}, stride {stride}, offset {offset} leave its {len(block)} numbers")
    if math.prod(size) > len(block):  # broadcast views would let a small file ask for any amount of memory
        raise pickle.UnpicklingError(f"a tensor of size {size} is larger than its block of {len(block)} numbers")
    dtype = np.float32 if block.dtype == ml_dtypes.bfloat16 else block.dtype
    if math.prod(size) == 0:
        return np.zeros(size, dtype)
    steps = [step * block.itemsize for step in stride]
    return np.array(np.lib.stride_tricks.as_strided(block[offset:], size, steps), dtype)


def _parameter(tensor, *_):
    return tensor


def _tensors(value, path):
    if isinstance(value, np.ndarray):
        yield ".".join(path), value
    elif isinstance(value, dict):
        for key, part in value.items():
            yield from _tensors(part, (*path, str(key)))
