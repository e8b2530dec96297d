"""Torch's files without torch: right values, and nothing run."""

import os
import pickle
import zipfile
from collections import OrderedDict

import ml_dtypes
import numpy as np
import pytest

from panet_tf.weights.torch_file import read_torch
from tests.weights.torch_writer import Tensor, save, write_archive


def _array(shape, dtype="float32", seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype(dtype)


def test_tensors_come_back_by_name(tmp_path):
    content = OrderedDict(a=Tensor(_array((2, 3))), b=Tensor(_array((4,), "float16")), n=Tensor(np.int64(7)[None][0:1]))
    save(content, tmp_path / "weights.pth")
    arrays = read_torch(tmp_path / "weights.pth")
    assert list(arrays) == ["a", "b", "n"]
    for name, tensor in content.items():
        np.testing.assert_array_equal(arrays[name], tensor.array)
        assert arrays[name].dtype == tensor.array.dtype


def test_views_keep_their_offset_and_stride(tmp_path):
    block = _array((24,))
    save({"view": Tensor(block, size=(3, 2), stride=(1, 6), offset=5)}, tmp_path / "weights.pt")
    np.testing.assert_array_equal(read_torch(tmp_path / "weights.pt")["view"], block[5:17].reshape(2, 6)[:, :3].T)


def test_scalars_and_empty_tensors_are_read(tmp_path):
    save({"scalar": Tensor(np.array(3.0, "float32")), "empty": Tensor(np.zeros((0, 4), "float32"))}, tmp_path / "w.pth")
    arrays = read_torch(tmp_path / "w.pth")
    assert arrays["scalar"] == 3.0 and arrays["scalar"].shape == () and arrays["empty"].shape == (0, 4)


def test_bfloat16_becomes_float32(tmp_path):
    array = _array((5,)).astype(ml_dtypes.bfloat16)
    save({"a": Tensor(array)}, tmp_path / "w.pth")
    read = read_torch(tmp_path / "w.pth")["a"]
    assert read.dtype == np.float32
    np.testing.assert_array_equal(read, array.astype("float32"))


def test_nested_checkpoints_are_flattened_and_other_values_left_out(tmp_path):
    weights = OrderedDict({"conv.weight": Tensor(_array((2,)))})
    save({"epoch": 3, "state_dict": weights, "args": [1, "x"]}, tmp_path / "w.pth")
    assert list(read_torch(tmp_path / "w.pth")) == ["state_dict.conv.weight"]


class _Attack:
    def __init__(self, function, *args):
        self.call = function, args

    def __reduce__(self):
        return self.call


@pytest.mark.parametrize("protocol", [0, 2, 4])
@pytest.mark.parametrize(
    "call",
    [(os.system,), (eval,), (exec,), (getattr, "x"), (__import__,), (np.load,), (pickle.loads, b"x")],
    ids=lambda call: call[0].__name__,
)
def test_a_pickle_that_calls_anything_is_refused_and_not_run(call, protocol, tmp_path):
    marker = tmp_path / "ran"
    function, *args = call
    attack = {"a": _Attack(function, *(args or [f"open({str(marker)!r}, 'w')"]))}
    write_archive(tmp_path / "w.pth", pickle.dumps(attack, protocol=protocol))
    with pytest.raises(ValueError, match="which is not a tensor"):
        read_torch(tmp_path / "w.pth")
    assert not marker.exists()


def test_known_names_cannot_be_climbed(tmp_path):
    data = pickle.PROTO + b"\x04" + b"\x8c\x0bcollections\x8c\x1bOrderedDict.__init__.__glob" + b"\x93."
    write_archive(tmp_path / "w.pth", data)
    with pytest.raises(ValueError, match="cannot be read"):
        read_torch(tmp_path / "w.pth")


@pytest.mark.parametrize(
    "lie",
    [
        {"size": (7,), "stride": (1,)},
        {"size": (2, 3), "stride": (4, 1)},
        {"offset": 1},
        {"offset": -1},
        {"size": (6,), "stride": (-1,)},
        {"size": (10**6, 10**6), "stride": (0, 0)},
        {"count": 7},
        {"size": ("a",), "stride": (1,)},
        {"size": (6,), "stride": (1, 1)},
    ],
    ids=str,
)
def test_tensors_outside_of_their_block_are_refused(lie, tmp_path):
    save({"a": Tensor(_array((6,)), **lie)}, tmp_path / "w.pth")
    with pytest.raises(ValueError, match="cannot be read"):
        read_torch(tmp_path / "w.pth")


def test_other_files_are_refused_with_the_reason(tmp_path):
    (tmp_path / "other.pth").write_bytes(pickle.dumps({"a": 1}))
    with pytest.raises(ValueError, match="other.pth is neither of torch's zip format nor of its older one"):
        read_torch(tmp_path / "other.pth")
    write_archive(tmp_path / "bomb.pth", pickle.dumps({}), compression=zipfile.ZIP_DEFLATED)
    with pytest.raises(ValueError, match="compressed"):
        read_torch(tmp_path / "bomb.pth")
    with zipfile.ZipFile(tmp_path / "none.pth", "w") as archive:
        archive.writestr("x", "y")
    with pytest.raises(ValueError, match="one data.pkl"):
        read_torch(tmp_path / "none.pth")
    write_archive(tmp_path / "cut.pth", pickle.dumps({"a": [1, 2, 3]})[:-4])
    with pytest.raises(ValueError, match="cannot be read"):
        read_torch(tmp_path / "cut.pth")
