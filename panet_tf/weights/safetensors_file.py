"""Reading `.safetensors` files."""

import json
import math
import os
import struct

import ml_dtypes
import numpy as np

_TYPES = {
    "BOOL": np.bool_,
    "U8": np.uint8,
    "I8": np.int8,
    "F8_E4M3": ml_dtypes.float8_e4m3fn,
    "F8_E5M2": ml_dtypes.float8_e5m2,
    "U16": np.uint16,
    "I16": np.int16,
    "F16": np.float16,
    "BF16": ml_dtypes.bfloat16,
    "U32": np.uint32,
    "I32": np.int32,
    "F32": np.float32,
    "U64": np.uint64,
    "I64": np.int64,
    "F64": np.float64,
}
_WIDENED = ("F8_E4M3", "F8_E5M2", "BF16")  # to float32: not NumPy's own
_MAX_HEADER = 100_000_000  # bytes, the format's own limit


def read_safetensors(path):
    """Arrays of a `.safetensors` file, by name.

    The file is the length of a JSON header, the header (type, shape and place of each array), and raw little-endian
    numbers. Places must follow each other without gap or overlap to the file's end, as the format demands, so that no
    two arrays share numbers and nothing is hidden between them.

    Args:
        path: str or path.

    Returns:
        dict from names to NumPy arrays, in the file's order; bfloat16 and float8 become float32.

    Raises:
        ValueError: if the header is no such header, or does not describe the file's bytes.

    Example:
        >>> read_safetensors("resnet50.a1_in1k.safetensors")["conv1.weight"].shape
        (64, 3, 7, 7)

    Source: huggingface/safetensors, README, "Format".
    """
    with open(path, "rb") as file:
        size = os.fstat(file.fileno()).st_size
        try:
            (length,) = struct.unpack("<Q", file.read(8))
            if length > min(size - 8, _MAX_HEADER):
                raise ValueError(f"its header of {length} bytes is longer than the file or the format's limit")
            header = json.loads(file.read(length), object_pairs_hook=_without_repeats)
            if not isinstance(header, dict):
                raise ValueError(f"its header is no table, it is {header!r:.100}")
            header.pop("__metadata__", None)
            places = {name: _place(name, entry) for name, entry in header.items()}
            _check_places(places, size - 8 - length)
            return {name: _array(file, 8 + length, header[name], place) for name, place in places.items()}
        except (ValueError, KeyError, TypeError, RecursionError, struct.error) as error:
            raise ValueError(f"{path} cannot be read as a safetensors file: {error}") from error


def _without_repeats(pairs):
    names = [name for name, _ in pairs]
    if len(set(names)) < len(names):
        raise ValueError(f"its header names {sorted({name for name in names if names.count(name) > 1})} twice")
    return dict(pairs)


def _place(name, entry):
    kind, shape, (begin, end) = entry["dtype"], entry["shape"], entry["data_offsets"]
    if kind not in _TYPES:
        raise ValueError(f"{name} is of type {kind!r:.50}; known are {sorted(_TYPES)}")
    if any(type(n) is not int or n < 0 for n in (*shape, begin, end)):
        raise ValueError(f"{name} has shape {shape} at {begin} to {end}")
    if math.prod(shape) * np.dtype(_TYPES[kind]).itemsize != end - begin:
        raise ValueError(f"{name} of type {kind} and shape {shape} does not fill bytes {begin} to {end}")
    return begin, end


def _check_places(places, size):
    at = 0
    for name, (begin, end) in sorted(places.items(), key=lambda item: item[1]):
        if begin != at:
            raise ValueError(f"{name} should begin at byte {at}, where the one before it ends, it begins at {begin}")
        at = end
    if at != size:
        raise ValueError(f"its arrays have {at} bytes, the file has {size}")


def _array(file, start, entry, place):
    file.seek(start + place[0])
    numbers = np.frombuffer(file.read(place[1] - place[0]), _TYPES[entry["dtype"]])
    array = numbers.reshape(entry["shape"])
    return array.astype(np.float32) if entry["dtype"] in _WIDENED else array.copy()
