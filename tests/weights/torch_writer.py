"""Files as `torch.save` writes them, made without torch: pickles with torch's global names, and raw blocks in a zip."""

import io
import pickle
import zipfile
from collections import OrderedDict

_STORAGES = {"float32": "FloatStorage", "float16": "HalfStorage", "int64": "LongStorage", "bfloat16": "BFloat16Storage"}


class _Global:
    """Pickled as the global it names."""

    def __init__(self, module, name):
        self.module = module
        self.name = name


class Tensor:
    """An array that is pickled as torch pickles a tensor; size, stride and offset can be lied about."""

    def __init__(self, array, *, size=None, stride=None, offset=0, count=None):
        self.array = array
        contiguous = tuple(step // array.itemsize for step in array.strides)
        self.size = array.shape if size is None else size
        self.stride = contiguous if stride is None else stride
        self.offset = offset
        self.count = array.size if count is None else count


class _Pickler(pickle._Pickler):
    def __init__(self, file):
        super().__init__(file, protocol=2)
        self.blocks = []

    def persistent_id(self, obj):
        if isinstance(obj, _Block):
            self.blocks.append(obj.array.tobytes())
            storage = _Global("torch", _STORAGES[obj.array.dtype.name])
            return ("storage", storage, str(len(self.blocks) - 1), "cpu", obj.count)
        return None

    def save(self, obj, save_persistent_id=True):
        if isinstance(obj, _Global):
            self.write(pickle.GLOBAL + f"{obj.module}\n{obj.name}\n".encode())
        elif isinstance(obj, Tensor):
            self.save(_Global("torch._utils", "_rebuild_tensor_v2"))
            block = _Block(obj.array, obj.count)
            self.save((block, obj.offset, tuple(obj.size), tuple(obj.stride), False, OrderedDict()))
            self.write(pickle.REDUCE)
        else:
            super().save(obj, save_persistent_id)


class _Block:
    def __init__(self, array, count):
        self.array = array
        self.count = count


def save(content, path):
    """Writes nested dicts of `Tensor`s and plain values."""
    file = io.BytesIO()
    pickler = _Pickler(file)
    pickler.dump(content)
    write_archive(path, file.getvalue(), pickler.blocks)


def write_archive(path, data, blocks=(), compression=zipfile.ZIP_STORED):
    """Writes a pickle and its blocks as torch lays them out."""
    with zipfile.ZipFile(path, "w", compression) as archive:
        archive.writestr("weights/data.pkl", data)
        archive.writestr("weights/byteorder", "little")
        for i, block in enumerate(blocks):
            archive.writestr(f"weights/data/{i}", block)
        archive.writestr("weights/version", "3\n")
