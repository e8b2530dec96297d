"""Named arrays, whatever the file."""

import numpy as np
import pytest

from panet_tf.weights.arrays_file import read_arrays
from tests.weights.torch_writer import Tensor, save


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


def test_other_endings_are_refused(tmp_path):
    with pytest.raises(ValueError, match="received .*w.onnx"):
        read_arrays(tmp_path / "w.onnx")
