"""Torch's first format, written by hand."""

import os
import pickle

import ml_dtypes
import numpy as np
import pytest

from panet_tf.weights.torch_file import read_torch
from tests.weights.torch_writer import MAGIC, Tensor, save_legacy


def _array(shape, dtype="float32", seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype(dtype)


def test_tensors_come_back_by_name(tmp_path):
    kinds = ("float64", "float32", "float16", "int64", "uint8", "bool")
    arrays = {kind: (10 * _array((2, 3), seed=i)).astype(kind) for i, kind in enumerate(kinds)}
    content = {"epoch": 3, "state_dict": {name: Tensor(array) for name, array in arrays.items()}}
    save_legacy(content, tmp_path / "w.pth")
    read = read_torch(tmp_path / "w.pth")
    assert list(read) == [f"state_dict.{kind}" for kind in kinds]
    for kind in kinds:
        np.testing.assert_array_equal(read[f"state_dict.{kind}"], arrays[kind])
        assert read[f"state_dict.{kind}"].dtype == arrays[kind].dtype


def test_tensors_share_blocks_by_offset_stride_and_part(tmp_path):
    block, other = _array((24,)), _array((3,), ml_dtypes.bfloat16)
    content = {
        "whole": Tensor(block),
        "view": Tensor(block, size=(3, 2), stride=(1, 6), offset=5),
        "part": Tensor(block, size=(2, 3), stride=(3, 1), offset=1, part=(10, 8)),
        "other": Tensor(other),
        "empty": Tensor(np.zeros((0, 4), "float32")),
        "scalar": Tensor(np.array(3.0, "float32")),
    }
    save_legacy(content, tmp_path / "w.pth")
    read = read_torch(tmp_path / "w.pth")
    np.testing.assert_array_equal(read["whole"], block)
    np.testing.assert_array_equal(read["view"], block[5:17].reshape(2, 6)[:, :3].T)
    np.testing.assert_array_equal(read["part"], block[11:17].reshape(2, 3))
    np.testing.assert_array_equal(read["other"], other.astype("float32"))
    assert read["empty"].shape == (0, 4) and read["scalar"] == 3 and read["scalar"].shape == ()


@pytest.mark.parametrize(
    "lie",
    [
        {"size": (7,), "stride": (1,)},
        {"size": (6,), "stride": (1,), "offset": -1},
        {"size": (2, 3), "stride": (0, 0), "part": (4, 3)},
        {"size": (6,), "stride": (1,), "part": (0, 5)},
        {"size": (1,), "stride": (1,), "part": (-1, 2)},
        {"size": (1 << 40,), "stride": (0,)},
    ],
    ids=str,
)
def test_tensors_outside_of_their_block_are_refused(lie, tmp_path):
    save_legacy({"a": Tensor(_array((6,)), **lie)}, tmp_path / "w.pth")
    with pytest.raises(ValueError, match="w.pth cannot be read"):
        read_torch(tmp_path / "w.pth")


@pytest.mark.parametrize(
    "lie, reason",
    [
        ({"magic": 7}, "does not begin as"),
        ({"little_endian": False}, "not little-endian"),
        ({"keys": []}, r"need the blocks \['0'\]"),
        ({"keys": ["0", "1"]}, "it lists"),
        ({"counts": {"0": 5}}, "should hold 6"),
        ({"counts": {"0": -1}}, "should hold 6"),
    ],
    ids=str,
)
def test_headers_that_do_not_fit_the_tensors_are_refused(lie, reason, tmp_path):
    save_legacy({"a": Tensor(_array((6,)))}, tmp_path / "w.pth", **lie)
    with pytest.raises(ValueError, match=f"w.pth.*{reason}"):
        read_torch(tmp_path / "w.pth")


def test_files_that_are_cut_are_refused(tmp_path):
    path = tmp_path / "w.pth"
    save_legacy({"a": Tensor(_array((6,)))}, path)
    whole = path.read_bytes()
    for length in range(0, len(whole), 7):
        path.write_bytes(whole[:length])
        with pytest.raises(ValueError, match="w.pth"):
            read_torch(path)


def test_a_count_larger_than_the_file_asks_for_no_memory(tmp_path):
    lie = 1 << 50
    save_legacy({"a": Tensor(_array((6,)), size=(6,), stride=(1,), count=lie)}, tmp_path / "w.pth", counts={"0": lie})
    with pytest.raises(ValueError, match="the file has 24 left"):
        read_torch(tmp_path / "w.pth")


class _Attack:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.system, (f"touch {self.path}",)


@pytest.mark.parametrize("place", range(5))
def test_no_pickle_of_the_row_can_call_anything(place, tmp_path):
    """Magic number, version, facts, content and keys are five pickles, any of which might."""
    marker = tmp_path / "ran"
    row = [MAGIC, 1001, {"little_endian": True}, {}, []]
    row[place] = _Attack(marker)
    (tmp_path / "w.pth").write_bytes(b"".join(pickle.dumps(part, protocol=2) for part in row))
    with pytest.raises(ValueError, match="which is not a tensor"):
        read_torch(tmp_path / "w.pth")
    assert not marker.exists()
