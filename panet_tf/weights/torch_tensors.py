"""Tensors in torch's pickles: references to blocks of raw numbers, and views of them."""

import math
import pickle

import ml_dtypes
import numpy as np

from panet_tf.weights.restricted_unpickler import Constructor, RestrictedUnpickler, StandIn

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


class TorchUnpickler(RestrictedUnpickler):
    """`RestrictedUnpickler` that also knows torch's tensors; they stay views of `blocks` until those are filled.

    Attributes:
        blocks: dict from (key, name of the storage class) to `Block`.
    """

    def __init__(self, file):
        super().__init__(file, _NAMES)
        self.blocks = {}

    def persistent_load(self, pid):
        kind, storage, key, _, count, *view = pid
        if kind != "storage" or not isinstance(storage, _Storage) or type(count) is not int or count < 0:
            raise pickle.UnpicklingError(f"unknown reference {pid!r:.200}")
        block = self.blocks.setdefault((key, str(storage)), Block(key, _STORAGES[storage], count))
        if block.count != count:
            raise pickle.UnpicklingError(f"block {key} holds {block.count} numbers and {count}")
        if not view or view[0] is None:
            return block
        _, start, size = view[0]
        return Part(block, start, size)


class Block:
    """Numbers that a file holds in one piece; `numbers` are given after the pickle is read."""

    def __init__(self, key, dtype, count):
        self.key = key
        self.dtype = np.dtype(dtype)
        self.count = count
        self.numbers = None


class Part:
    """A stretch of a block, which old files treat as a storage of its own."""

    def __init__(self, block, start, count):
        _check_numbers(start, count)
        if start + count > block.count:
            raise pickle.UnpicklingError(f"numbers {start} to {start + count} of the {block.count} of {block.key}")
        self.block = block
        self.start = start
        self.count = count

    @property
    def numbers(self):
        return self.block.numbers[self.start : self.start + self.count]


class View(StandIn):
    """A tensor: numbers of a block or a part of it, by offset, size and stride."""

    def __init__(self, block, offset, size, stride, *_):
        if not isinstance(block, Block | Part):
            raise pickle.UnpicklingError("a tensor without a block")
        _check_numbers(offset, *size, *stride)
        last = offset + sum((n - 1) * step for n, step in zip(size, stride, strict=True))
        if math.prod(size) > 0 and last >= block.count:
            raise pickle.UnpicklingError(
                f"size {size}, stride {stride}, offset {offset} leave its {block.count} numbers"
            )
        if math.prod(size) > block.count:  # broadcast views would let a small file ask for any amount of memory
            raise pickle.UnpicklingError(f"a tensor of size {size} is larger than its block of {block.count} numbers")
        self.block = block
        self.offset = offset
        self.size = tuple(size)
        self.stride = tuple(stride)

    def array(self):
        numbers = self.block.numbers
        dtype = np.float32 if numbers.dtype == ml_dtypes.bfloat16 else numbers.dtype
        if math.prod(self.size) == 0:
            return np.zeros(self.size, dtype)
        steps = [step * numbers.itemsize for step in self.stride]
        return np.array(np.lib.stride_tricks.as_strided(numbers[self.offset :], self.size, steps), dtype)


class _Storage(str):
    """Stands for a storage class of torch; nothing can be called on it and nothing of it changed."""

    __slots__ = ()


def _check_numbers(*numbers):
    if any(type(n) is not int or n < 0 for n in numbers):
        raise pickle.UnpicklingError(f"sizes and places {numbers!r:.100}")


def _parameter(tensor, *_):
    return tensor


def _size(values=()):
    return tuple(values)


_NAMES = {
    ("torch", "Size"): Constructor(_size),
    ("torch._utils", "_rebuild_tensor"): Constructor(View),
    ("torch._utils", "_rebuild_tensor_v2"): Constructor(View),
    ("torch._utils", "_rebuild_parameter"): Constructor(_parameter),
    ("torch.nn.parameter", "Parameter"): Constructor(_parameter),
    **{("torch", name): _Storage(name) for name in _STORAGES},
}
