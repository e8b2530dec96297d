"""Reading pickles of containers and NumPy arrays without running anything that they say."""

import collections
import math
import pickle
import re

import numpy as np

# What a pickle that is cut off, or that lies, may raise while it is read.
BROKEN = (
    pickle.UnpicklingError,
    ArithmeticError,
    AttributeError,
    EOFError,
    ImportError,
    LookupError,
    MemoryError,
    RecursionError,
    TypeError,
    ValueError,
)
_KINDS = r"[?]|[biufcSU]\d+"  # of NumPy's types: numbers, flags and text, no objects and no records


class RestrictedUnpickler(pickle.Unpickler):
    """Unpickler that knows containers and NumPy arrays, and refuses every other name.

    A pickle is a program: it names functions and calls them. Here a name is looked up in a fixed list, whole, so that
    "dict.__init__.__globals__" is one unknown name; nothing is ever imported; and what a known name stands for is a
    `Constructor`, which can be called and not changed. Arrays come back as stand-ins: see `named_arrays`.

    Args:
        file: binary file, read from where it stands to the end of the pickle.
        names: optional dict from (module, name) to what else is known.

    Example:
        >>> content = RestrictedUnpickler(open("R-50.pkl", "rb")).load()
    """

    def __init__(self, file, names=None):
        super().__init__(file, encoding="latin1")  # so that the bytes of Python 2's strings survive
        self.names = {**_NAMES, **(names or {})}

    def find_class(self, module, name):
        if (module, name) not in self.names:
            raise pickle.UnpicklingError(f"it names {module}.{name}, which is not a tensor, an array or a container")
        return self.names[module, name]


class Constructor:
    """A function that a pickle may call, and do nothing else with."""

    __slots__ = ("function",)

    def __init__(self, function):
        object.__setattr__(self, "function", function)

    def __call__(self, *args):
        return self.function(*args)

    def __setattr__(self, name, _):
        raise pickle.UnpicklingError(f"it changes {name} of something that it may only call")


class StandIn:
    """What a pickle builds in place of an array; `array()` makes and checks it afterwards."""

    def array(self):
        """The NumPy array that was described."""
        raise NotImplementedError


def named_arrays(content):
    """Arrays among nested dicts, by their keys joined with "."; other values (epochs, arguments) are left out.

    Args:
        content: what `RestrictedUnpickler` loaded.

    Returns:
        dict from names to NumPy arrays, in the file's order.
    """
    return dict(_walk(content, ()))


def _walk(value, path):
    if isinstance(value, StandIn):
        yield ".".join(path), value.array()
    elif isinstance(value, dict):
        for key, part in dict.items(value):  # not the object's own `items`, which a pickle may have set
            yield from _walk(part, (*path, str(key)))


class _Array(StandIn):
    """`numpy.ndarray` as it is pickled: made empty, then told shape, type and bytes."""

    def __init__(self, dtype=None, shape=(0,), data=b"", order="C"):
        self.description = dtype, shape, data, order

    def __setstate__(self, state):
        _, shape, dtype, fortran, data = state
        self.description = dtype, shape, data, "F" if fortran else "C"

    def array(self):
        dtype, shape, data, order = self.description
        if not isinstance(dtype, _DType) or not isinstance(data, bytes | bytearray | str):
            raise pickle.UnpicklingError("an array without a type and numbers")
        if not isinstance(shape, tuple) or any(type(n) is not int or n < 0 for n in shape):
            raise pickle.UnpicklingError(f"an array of shape {shape!r:.100}")
        data = data.encode("latin1") if isinstance(data, str) else bytes(data)
        if math.prod(shape) * dtype.dtype.itemsize != len(data):
            raise pickle.UnpicklingError(f"an array of shape {shape} and type {dtype.dtype} in {len(data)} bytes")
        array = np.frombuffer(data, dtype.dtype) if dtype.dtype.itemsize else np.zeros(math.prod(shape), dtype.dtype)
        return array.reshape(shape, order=order).astype(dtype.dtype.newbyteorder("="))


class _DType:
    """`numpy.dtype` of numbers, flags or text."""

    def __init__(self, name, *_):
        if not isinstance(name, str) or not re.fullmatch(_KINDS, name):
            raise pickle.UnpicklingError(f"an array of type {name!r:.100}, not of numbers")
        self.dtype = np.dtype(name)

    def __setstate__(self, state):
        _, byte_order, subtype, names, fields, *_ = state
        if (subtype, names, fields) != (None, None, None) or byte_order not in ("<", ">", "|", "="):
            raise pickle.UnpicklingError("an array of records")
        self.dtype = self.dtype.newbyteorder(byte_order)


def _reconstruct(*_):
    return _Array()


def _scalar(dtype, data=b""):
    return _Array(dtype, (), data)


def _from_buffer(data, dtype, shape, order="C", axis_order=None):
    if axis_order is not None or order not in ("C", "F"):
        raise pickle.UnpicklingError(f"an array in the order {axis_order or order!r:.100}")
    return _Array(dtype, shape, data, order)


def _encode(text, encoding="latin1"):
    """`_codecs.encode`, by which Python 3 writes bytes for Python 2."""
    if encoding not in ("latin1", "latin-1") or not isinstance(text, str):
        raise pickle.UnpicklingError(f"text encoded as {encoding!r:.100}")
    return text.encode("latin1")


def _no_bytes(*args):
    """`bytes` without anything, which is all that Python 3 calls it for."""
    if args:
        raise pickle.UnpicklingError("it calls bytes")
    return b""


def _container(kind):
    def make(values=(), *_):
        if not isinstance(values, list | tuple | dict | set | frozenset):  # a number would ask for that much memory
            raise pickle.UnpicklingError(f"a {kind.__name__} of {type(values).__name__}")
        return kind(values)

    return Constructor(make)


def _refuse(*_):
    raise pickle.UnpicklingError("it calls numpy.ndarray, which pickled arrays never do")


_NAMES = {
    ("collections", "OrderedDict"): _container(collections.OrderedDict),
    ("_codecs", "encode"): Constructor(_encode),
    ("numpy", "dtype"): Constructor(_DType),
    ("numpy", "ndarray"): Constructor(_refuse),
}
for _package in ("numpy.core", "numpy._core"):
    _NAMES[f"{_package}.multiarray", "_reconstruct"] = Constructor(_reconstruct)
    _NAMES[f"{_package}.multiarray", "scalar"] = Constructor(_scalar)
    _NAMES[f"{_package}.numeric", "_frombuffer"] = Constructor(_from_buffer)
for _module in ("builtins", "__builtin__"):
    _NAMES[_module, "bytes"] = Constructor(_no_bytes)
    for _kind in (set, frozenset):
        _NAMES[_module, _kind.__name__] = _container(_kind)
