"""The unpickler by itself; attacks through whole files are in pickle_file_test.py."""

import io
import pickle

import numpy as np
import pytest

from panet_tf.weights.restricted_unpickler import Constructor, RestrictedUnpickler, StandIn, named_arrays


class Wanted:
    pass


def test_other_names_are_known_only_where_they_are_given():
    data = pickle.dumps(Wanted)
    with pytest.raises(pickle.UnpicklingError, match="restricted_unpickler_test.Wanted, which is not a tensor"):
        RestrictedUnpickler(io.BytesIO(data)).load()
    known = {(Wanted.__module__, "Wanted"): "stands for it"}
    assert RestrictedUnpickler(io.BytesIO(data), known).load() == "stands for it"
    with pytest.raises(pickle.UnpicklingError):
        RestrictedUnpickler(io.BytesIO(data)).load()  # not from then on


def test_it_reads_from_where_a_file_stands_to_the_end_of_the_pickle():
    file = io.BytesIO(b"before" + pickle.dumps({"a": np.arange(3)}) + b"after")
    file.seek(6)
    content = RestrictedUnpickler(file).load()
    assert file.read() == b"after"
    assert isinstance(content["a"], StandIn)
    np.testing.assert_array_equal(content["a"].array(), [0, 1, 2])


def test_containers_come_as_they_are_and_arrays_by_their_path():
    content = {"epoch": 3, "names": {"x", "y"}, "model": {1: np.float64(2.5), "deep": {"w": np.eye(2, dtype=">f4")}}}
    loaded = RestrictedUnpickler(io.BytesIO(pickle.dumps(content))).load()
    assert loaded["epoch"] == 3 and loaded["names"] == {"x", "y"}
    arrays = named_arrays(loaded)
    assert list(arrays) == ["model.1", "model.deep.w"] and arrays["model.1"] == 2.5
    np.testing.assert_array_equal(arrays["model.deep.w"], np.eye(2))
    assert arrays["model.deep.w"].dtype.isnative


def test_a_constructor_can_only_be_called():
    constructor = Constructor(lambda *args: args)
    assert constructor(1, 2) == (1, 2)
    for name in ("function", "anything"):
        with pytest.raises(pickle.UnpicklingError, match=f"changes {name}"):
            setattr(constructor, name, print)
    assert constructor(3) == (3,)
