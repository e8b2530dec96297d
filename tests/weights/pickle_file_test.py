"""Pickled arrays: what detectron2 and Detectron write comes back, and nothing else is ever run."""

import builtins
import collections
import functools
import operator
import os
import pickle
import subprocess

import numpy as np
import pytest

from panet_tf.weights.pickle_file import read_pickle

G, R = pickle.GLOBAL, pickle.REDUCE


def _arrays():
    rng = np.random.default_rng(0)
    return {
        "stem.conv1.weight": rng.standard_normal((4, 3, 7, 7)).astype("float32"),
        "fortran": np.asfortranarray(rng.standard_normal((3, 5))),
        "reversed": rng.standard_normal((4, 6)).astype("float32")[::-1, ::2],
        "half": rng.standard_normal(5).astype("float16"),
        "big": rng.standard_normal(5).astype(">f4"),
        "steps": np.arange(3),
        "mask": np.array([True, False]),
        "scalar": np.array(2.5, "float32"),
        "empty": np.zeros((0, 3), "float32"),
    }


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_arrays_come_back_by_name(protocol, tmp_path):
    content = {"model": _arrays(), "__author__": "someone", "matching_heuristics": True, "step": np.float64(7)}
    (tmp_path / "w.pkl").write_bytes(pickle.dumps(content, protocol=protocol))
    read = read_pickle(tmp_path / "w.pkl")
    assert list(read) == [f"model.{name}" for name in _arrays()] + ["step"]
    for name, array in _arrays().items():
        np.testing.assert_array_equal(read[f"model.{name}"], array)
        assert read[f"model.{name}"].dtype == array.dtype.newbyteorder("=")
        assert read[f"model.{name}"].flags.writeable
    assert read["step"] == 7


@pytest.mark.parametrize("package", [b"numpy.core", b"numpy._core"])
def test_numpy_of_both_names_is_known(package, tmp_path):
    data = pickle.dumps(collections.OrderedDict(a=np.arange(4.0)), protocol=2)
    data = data.replace(b"cnumpy._core.", b"c" + package + b".").replace(b"cnumpy.core.", b"c" + package + b".")
    assert package in data
    (tmp_path / "w.pkl").write_bytes(data)
    np.testing.assert_array_equal(read_pickle(tmp_path / "w.pkl")["a"], np.arange(4.0))


def test_pickles_of_python_2_are_read(tmp_path):
    """Detectron's files: protocol 2, byte strings for names, types and numbers (SHORT_BINSTRING and BINSTRING)."""
    array = np.array([[1.0, -2.0], [1e30, 3.0]], "float32")  # with bytes above 127

    def text(value):
        return b"U" + bytes([len(value)]) + value

    pickled = b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85" + text(b"b") + b"\x87R"
    dtype = b"cnumpy\ndtype\n" + text(b"f4") + b"K\x00K\x01\x87R(K\x03" + text(b"<") + b"NNNJ\xff\xff\xff\xff" * 1
    dtype += b"J\xff\xff\xff\xffK\x00tb"
    state = b"(K\x01K\x02K\x02\x86" + dtype + b"\x89" + text(array.tobytes()) + b"tb"
    blobs = b"}" + text(b"conv1_w") + pickled + state + b"s"
    (tmp_path / "w.pkl").write_bytes(b"\x80\x02}" + text(b"blobs") + blobs + b"s.")
    np.testing.assert_array_equal(read_pickle(tmp_path / "w.pkl")["blobs.conv1_w"], array)


class _Call:
    def __init__(self, function, *args):
        self.call = function, args

    def __reduce__(self):
        return self.call


@pytest.mark.parametrize("protocol", [0, 2, 4, 5])
@pytest.mark.parametrize(
    "function",
    [
        os.system,
        subprocess.Popen,
        builtins.eval,
        builtins.exec,
        builtins.__import__,
        builtins.open,
        builtins.getattr,
        builtins.bytearray,
        operator.attrgetter,
        functools.partial,
        np.load,
        np.fromfile,
        np.memmap,
        np.vectorize,
        np.loadtxt,
        pickle.loads,
    ],
    ids=lambda function: f"{function.__module__}.{function.__name__}",
)
def test_a_pickle_that_calls_anything_is_refused_and_not_run(function, protocol, tmp_path):
    marker = tmp_path / "ran"
    attack = {"model": {"a": np.ones(2), "b": _Call(function, f"touch {marker}")}}
    (tmp_path / "w.pkl").write_bytes(pickle.dumps(attack, protocol=protocol))
    with pytest.raises(ValueError, match="w.pkl cannot be read.*which is not a tensor, an array or a container"):
        read_pickle(tmp_path / "w.pkl")
    assert not marker.exists()


def _names(*parts):
    """STACK_GLOBAL of a module and a name with dots, which the usual unpickler follows by attributes."""
    return b"".join(b"\x8c" + bytes([len(part)]) + part for part in parts) + b"\x93"


@pytest.mark.parametrize(
    "program",
    [
        _names(b"collections", b"OrderedDict.__init__.__globals__"),
        _names(b"numpy._core.multiarray", b"_reconstruct.__class__"),
        _names(b"numpy", b"dtype.__new__"),
        G + b"numpy\nf2py.crackfortran.myeval\n",
        G + b"numpy.core.multiarray\nfromfile\n",
        G + b"panet_tf.weights.pickle_file\nread_pickle\n",
        G + b"numpy\nndarray\nK\x03\x85" + R,  # called as a class
        G + b"collections\nOrderedDict\nJ\xff\xff\xff\x7f\x85" + R,  # of a number
        G + b"builtins\nset\nJ\xff\xff\xff\x7f\x85" + R,
        G + b"_codecs\nencode\n\x8c\x02ab\x8c\x06rot_13\x86" + R,
        G + b"numpy\ndtype\n\x8c\x01O\x85" + R,
        G + b"numpy\ndtype\n\x8c\x04S9,O\x85" + R,
        G + b"numpy\ndtype\n]\x85" + R,
        G + b"collections\nOrderedDict\n}\x8c\x05items\x8c\x01xsb",  # changes the constructor
        G + b"collections\nOrderedDict\nN}\x8c\x08function\x8c\x01xs\x86b",
        G + b"numpy\ndtype\nN}\x8c\x09__class__\x8c\x01xs\x86b",
        b"\x82\x01",  # by a number of copyreg's registry
        b"Pname\n",  # by a reference
    ],
)
def test_known_names_can_neither_be_climbed_nor_changed(program, tmp_path):
    (tmp_path / "w.pkl").write_bytes(b"\x80\x04}\x8c\x01a" + program + b"s.")
    with pytest.raises(ValueError, match="w.pkl cannot be read as a pickle of arrays"):
        read_pickle(tmp_path / "w.pkl")


def test_a_dict_cannot_say_how_it_is_walked(tmp_path):
    """BUILD may set any attribute of an OrderedDict, `items` too; the walk must not call it."""
    made = G + b"collections\nOrderedDict\n)" + R
    changed = made + b"}\x8c\x05items" + G + b"numpy\nndarray\nsb"
    (tmp_path / "w.pkl").write_bytes(b"\x80\x04" + changed + b".")
    assert read_pickle(tmp_path / "w.pkl") == {}


def _array_program(shape, data, dtype=b"f4", kind=b"numpy._core.multiarray"):
    numbers = b"B" + len(data).to_bytes(4, "little") + data
    made = G + kind + b"\n_reconstruct\n" + G + b"numpy\nndarray\nK\x00\x85C\x01b\x87" + R
    made_type = G + b"numpy\ndtype\n\x8c" + bytes([len(dtype)]) + dtype + b"\x85" + R
    sizes = b"(" + b"".join(b"\x8a\x08" + n.to_bytes(8, "little", signed=True) for n in shape) + b"t"
    return made + b"(K\x01" + sizes + made_type + b"\x89" + numbers + b"tb"


@pytest.mark.parametrize(
    "shape, data",
    [((3,), bytes(8)), ((1 << 40,), bytes(8)), ((1 << 31, 1 << 31, 1 << 2), bytes(0)), ((-1,), bytes(4)), ((), b"")],
    ids=str,
)
def test_shapes_that_are_not_those_of_the_bytes_are_refused(shape, data, tmp_path):
    (tmp_path / "w.pkl").write_bytes(b"\x80\x04}\x8c\x01a" + _array_program(shape, data) + b"s.")
    with pytest.raises(ValueError, match="w.pkl cannot be read.*an array of shape"):
        read_pickle(tmp_path / "w.pkl")


def test_the_program_itself_is_right(tmp_path):
    (tmp_path / "w.pkl").write_bytes(b"\x80\x04}\x8c\x01a" + _array_program((2,), np.float32([1, 2]).tobytes()) + b"s.")
    np.testing.assert_array_equal(read_pickle(tmp_path / "w.pkl")["a"], [1, 2])


def test_objects_in_arrays_are_refused(tmp_path):
    (tmp_path / "w.pkl").write_bytes(pickle.dumps({"a": np.array([{}, []], dtype=object)}))
    with pytest.raises(ValueError, match="of type 'O8', not of numbers"):
        read_pickle(tmp_path / "w.pkl")


def test_files_that_are_cut_or_turn_in_circles_are_refused(tmp_path):
    path, whole = tmp_path / "w.pkl", pickle.dumps({"model": _arrays()}, protocol=4)
    for length in range(0, len(whole), 97):
        path.write_bytes(whole[:length])
        with pytest.raises(ValueError, match="w.pkl"):
            read_pickle(path)
    circle = {}
    circle["a"] = circle
    path.write_bytes(pickle.dumps(circle))
    with pytest.raises(ValueError, match="w.pkl"):
        read_pickle(path)
