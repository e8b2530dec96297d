"""Files as `torch.save` writes them, made without torch: pickles with torch's global names, and raw blocks.

`save` writes the zip archives of torch 1.6 and later, `save_legacy` the row of pickles and blocks of before (which
`_use_new_zipfile_serialization=False` still gives).
"""

import io
import pickle
import struct
import zipfile
from collections import OrderedDict

_STORAGES = {
    "float64": "DoubleStorage",
    "float32": "FloatStorage",
    "float16": "HalfStorage",
    "bfloat16": "BFloat16Storage",
    "int64": "LongStorage",
    "uint8": "ByteStorage",
    "bool": "BoolStorage",
}
MAGIC = 0x1950A86A20F9469CFC6C


class _Global:
    """Pickled as the global it names."""

    def __init__(self, module, name):
        self.module = module
        self.name = name


class Tensor:
    """An array that is pickled as torch pickles a tensor; size, stride and offset can be lied about.

    Tensors of one array object share its block. `part` is (start, count) of the block that the tensor's offset counts
    from, by which torch's first versions wrote storages that were views of others.
    """

    def __init__(self, array, *, size=None, stride=None, offset=0, count=None, part=None):
        self.array = array
        contiguous = tuple(step // array.itemsize for step in array.strides)
        self.size = array.shape if size is None else size
        self.stride = contiguous if stride is None else stride
        self.offset = offset
        self.count = array.size if count is None else count
        self.part = part


class _Pickler(pickle._Pickler):
    def __init__(self, file, legacy=False):
        super().__init__(file, protocol=2)
        self.arrays = {}  # by key, in the order of their first tensor
        self.legacy = legacy

    def persistent_id(self, obj):
        if not isinstance(obj, _Block):
            return None
        key = next((key for key, array in self.arrays.items() if array is obj.array), str(len(self.arrays)))
        self.arrays[key] = obj.array
        storage = _Global("torch", _STORAGES[obj.array.dtype.name])
        part = obj.part and (f"{key} {obj.part}", *obj.part)
        return ("storage", storage, key, "cpu", obj.count, *([part] if self.legacy else []))

    def save(self, obj, save_persistent_id=True):
        if isinstance(obj, _Global):
            self.write(pickle.GLOBAL + f"{obj.module}\n{obj.name}\n".encode())
        elif isinstance(obj, Tensor):
            self.save(_Global("torch._utils", "_rebuild_tensor_v2"))
            block = _Block(obj.array, obj.count, obj.part)
            self.save((block, obj.offset, tuple(obj.size), tuple(obj.stride), False, OrderedDict()))
            self.write(pickle.REDUCE)
        else:
            super().save(obj, save_persistent_id)


class _Block:
    def __init__(self, array, count, part):
        self.array = array
        self.count = count
        self.part = part


def save(content, path):
    """Writes nested dicts of `Tensor`s and plain values."""
    file = io.BytesIO()
    pickler = _Pickler(file)
    pickler.dump(content)
    write_archive(path, file.getvalue(), [array.tobytes() for array in pickler.arrays.values()])


def save_legacy(content, path, *, magic=MAGIC, little_endian=True, keys=None, counts=None):
    """Writes nested dicts of `Tensor`s and plain values in torch's first format; the rest of it can be lied about."""
    sizes = {"short": 2, "int": 4, "long": 4}
    machine = {"protocol_version": 1001, "little_endian": little_endian, "type_sizes": sizes}
    with open(path, "wb") as file:
        for header in (magic, 1001, machine):
            pickle.dump(header, file, protocol=2)
        pickler = _Pickler(file, legacy=True)
        pickler.dump(content)
        arrays = dict(reversed(pickler.arrays.items()))  # in an order of their own
        pickle.dump(list(arrays) if keys is None else keys, file, protocol=2)
        for key, array in arrays.items():
            file.write(struct.pack("<q", (counts or {}).get(key, array.size)) + array.tobytes())


def write_archive(path, data, blocks=(), compression=zipfile.ZIP_STORED):
    """Writes a pickle and its blocks as torch lays them out."""
    with zipfile.ZipFile(path, "w", compression) as archive:
        archive.writestr("weights/data.pkl", data)
        archive.writestr("weights/byteorder", "little")
        for i, block in enumerate(blocks):
            archive.writestr(f"weights/data/{i}", block)
        archive.writestr("weights/version", "3\n")
