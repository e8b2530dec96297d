"""The format by hand: eight bytes of length, a JSON header, numbers."""

import json
import struct

import ml_dtypes
import numpy as np
import pytest

from panet_tf.weights.safetensors_file import read_safetensors


def write_safetensors(path, entries, *, header=None, rest=b""):
    """Writes {name: (type, shape, bytes)} one after the other; `header` replaces what is then true."""
    described, at = {"__metadata__": {"format": "pt"}}, 0
    for name, (kind, shape, data) in entries.items():
        described[name] = {"dtype": kind, "shape": shape, "data_offsets": [at, at + len(data)]}
        at += len(data)
    text = json.dumps(described).encode() if header is None else header
    text += b" " * (-len(text) % 8)
    numbers = b"".join(data for _, _, data in entries.values())
    path.write_bytes(struct.pack("<Q", len(text)) + text + numbers + rest)


@pytest.mark.parametrize(
    "kind, dtype",
    [
        ("F64", "<f8"),
        ("F32", "<f4"),
        ("F16", "<f2"),
        ("BF16", ml_dtypes.bfloat16),
        ("F8_E4M3", ml_dtypes.float8_e4m3fn),
        ("I64", "<i8"),
        ("I32", "<i4"),
        ("I16", "<i2"),
        ("I8", "i1"),
        ("U64", "<u8"),
        ("U8", "u1"),
        ("BOOL", "?"),
    ],
)
def test_types_come_back(kind, dtype, tmp_path):
    array = np.array([[1, 0, 2], [3, 0, 1]]).astype(dtype)
    write_safetensors(tmp_path / "w.safetensors", {"a": (kind, [2, 3], array.tobytes())})
    read = read_safetensors(tmp_path / "w.safetensors")["a"]
    np.testing.assert_array_equal(read, array.astype("float32"))
    widened = kind in ("BF16", "F8_E4M3")
    assert read.dtype == (np.float32 if widened else array.dtype) and read.flags.writeable


def test_names_order_scalars_and_empty_arrays(tmp_path):
    one, two = np.float32(3).tobytes(), np.arange(4, dtype="float32").tobytes()
    entries = {"z": ("F32", [2, 2], two), "none": ("F32", [0, 7], b""), "a.b": ("F32", [], one)}
    write_safetensors(tmp_path / "w.safetensors", entries)
    arrays = read_safetensors(tmp_path / "w.safetensors")
    assert {name: array.shape for name, array in arrays.items()} == {"z": (2, 2), "none": (0, 7), "a.b": ()}
    assert arrays["a.b"] == 3 and arrays["z"][1, 0] == 2


def _entry(begin=0, end=8, shape=(2,), dtype="F32"):
    return {"dtype": dtype, "shape": list(shape), "data_offsets": [begin, end]}


@pytest.mark.parametrize(
    "header, reason",
    [
        (b"[]", "no table"),
        (b"{", "cannot be read"),
        (b'{"a": 1}', "cannot be read"),
        (b'{"a": {"dtype": "F32"}}', "cannot be read"),
        ({"a": _entry(dtype="F31")}, "of type 'F31'"),
        ({"a": _entry(), "b": _entry()}, "b should begin at byte 8"),  # overlap
        ({"a": _entry(), "b": _entry(4, 12)}, "b should begin at byte 8"),
        ({"a": _entry(), "b": _entry(12, 20)}, "b should begin at byte 8"),  # a gap
        ({"a": _entry()}, "its arrays have 8 bytes, the file has 16"),
        ({"a": _entry(0, 1 << 40, (1 << 38,))}, "its arrays have .* the file has 16"),
        ({"a": _entry(shape=(3,))}, "does not fill"),
        ({"a": _entry(shape=(-2, -1))}, "has shape"),
        ({"a": _entry(-8, 0)}, "has shape"),
        ({"a": _entry(shape=(1 << 62, 1 << 62))}, "does not fill"),
        ({"a": _entry(shape=(2.0,))}, "has shape"),
        (b'{"a": 1, "a": 2}', "twice"),
    ],
    ids=lambda value: value if isinstance(value, str) else "header",
)
def test_headers_that_do_not_describe_the_file_are_refused(header, reason, tmp_path):
    header = header if isinstance(header, bytes) else json.dumps(header).encode()
    write_safetensors(tmp_path / "w.safetensors", {"a": ("F32", [4], bytes(16))}, header=header)
    with pytest.raises(ValueError, match=f"w.safetensors.*{reason}"):
        read_safetensors(tmp_path / "w.safetensors")


def test_files_that_are_cut_or_go_on_are_refused(tmp_path):
    path = tmp_path / "w.safetensors"
    write_safetensors(path, {"a": ("F32", [4], bytes(16))})
    whole = path.read_bytes()
    for length in (0, 5, 8, 30, len(whole) - 1):
        path.write_bytes(whole[:length])
        with pytest.raises(ValueError, match="w.safetensors"):
            read_safetensors(path)
    path.write_bytes(whole + b"x")
    with pytest.raises(ValueError, match="has 17"):
        read_safetensors(path)
    path.write_bytes(struct.pack("<Q", 1 << 60) + whole[8:])
    with pytest.raises(ValueError, match="longer than the file"):
        read_safetensors(path)
