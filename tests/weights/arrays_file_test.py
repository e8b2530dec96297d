"""Named arrays, whatever the file."""

import pickle

import h5py
import numpy as np
import pytest

from panet_tf.weights.arrays_file import read_arrays
from tests.weights.safetensors_file_test import write_safetensors
from tests.weights.torch_writer import Tensor, save, save_legacy


def test_npz_comes_back_as_it_is(tmp_path):
    arrays = {"layer1.0.conv1.weight": np.ones((2, 3), "float16"), "b": np.zeros(2)}
    np.savez(tmp_path / "w.npz", **arrays)
    read = read_arrays(tmp_path / "w.npz")
    assert list(read) == list(arrays) and read["b"].dtype == np.float64


@pytest.mark.parametrize("prefix", ["", "module."])
@pytest.mark.parametrize("holder", [None, "state_dict", "model"])
def test_holders_and_wrappers_are_taken_off(holder, prefix, tmp_path):
    weights = {f"{prefix}conv.weight": Tensor(np.ones((2,), "float32"))}
    content = weights if holder is None else {holder: weights, "optimizer": {"x": Tensor(np.zeros(3, "float32"))}}
    save(content, tmp_path / "w.pth")
    assert list(read_arrays(tmp_path / "w.pth")) == ["conv.weight"]


def test_pickled_objects_in_npz_are_not_loaded(tmp_path):
    np.savez(tmp_path / "w.npz", a=np.array([{}], dtype=object))
    with pytest.raises(ValueError, match="allow_pickle"):
        read_arrays(tmp_path / "w.npz")


@pytest.mark.parametrize("ending", ["pth", "h5", "bin"])
@pytest.mark.parametrize("kind", ["npz", "torch", "legacy torch", "pickle", "safetensors", "h5"])
def test_the_content_says_which_kind_a_file_is(kind, ending, tmp_path):
    path, array = tmp_path / f"w.{ending}", np.arange(6, dtype="float32").reshape(2, 3)
    if kind == "npz":
        with open(path, "wb") as file:
            np.savez(file, a=array)
    elif kind.endswith("torch"):
        (save if kind == "torch" else save_legacy)({"a": Tensor(array)}, path)
    elif kind == "pickle":
        path.write_bytes(pickle.dumps({"model": {"a": array}, "__author__": "someone"}))
    elif kind == "safetensors":
        write_safetensors(path, {"a": ("F32", [2, 3], array.tobytes())})
    else:
        with h5py.File(path, "w") as file:
            file.attrs["layer_names"] = [b"dense"]
            file.create_group("dense").attrs["weight_names"] = [b"a:0"]
            file["dense/a:0"] = array
    ((name, read),) = read_arrays(path).items()
    assert name == ("dense/a" if kind == "h5" else "a")
    np.testing.assert_array_equal(read, array)


@pytest.mark.parametrize("ending", ["onnx", "npz", "pth", "pkl", "safetensors", "h5", "keras"])
@pytest.mark.parametrize("content", [b"", b"ONNX is not among the kinds of files that are read"])
def test_other_files_are_refused_by_name(content, ending, tmp_path):
    (tmp_path / f"w.{ending}").write_bytes(content)
    with pytest.raises(ValueError, match=f"w.{ending}"):
        read_arrays(tmp_path / f"w.{ending}")
