"""HDF5 files of Keras: both layouts, by hand and as Keras writes them."""

import h5py
import keras
import numpy as np
import pytest

from panet_tf.weights.h5_file import is_listed, read_h5


def _listed(path, layers, *, inside=None, chunks=0):
    """Writes {layer: {weight name: array}} as Keras 2 does; `chunks` cuts the list of layers as long ones are."""
    with h5py.File(path, "w") as file:
        root = file.create_group(inside) if inside else file
        names = [layer.encode() for layer in layers]
        if chunks:
            for i, part in enumerate(np.array_split(np.array(names), chunks)):
                root.attrs[f"layer_names{i}"] = part
        else:
            root.attrs["layer_names"] = names
        for layer, weights in layers.items():
            group = root.create_group(layer)
            group.attrs["weight_names"] = [name.encode() for name in weights]
            for name, array in weights.items():
                group[name] = array


LAYERS = {
    "conv1": {"conv1/kernel:0": np.ones((3, 3, 1, 2), "float32"), "conv1/bias:0": np.zeros(2, "float32")},
    "pool": {},
    "bn": {"gamma:0": np.arange(2.0)},
    "nested": {"inner/kernel:0": np.ones((2, 2))},
}


@pytest.mark.parametrize("options", [{}, {"inside": "model_weights"}, {"chunks": 3}], ids=str)
def test_listed_arrays_come_back_by_layer(options, tmp_path):
    _listed(tmp_path / "w.h5", LAYERS, **options)
    arrays = read_h5(tmp_path / "w.h5")
    assert list(arrays) == ["conv1/kernel", "conv1/bias", "bn/gamma", "nested/inner/kernel"]
    np.testing.assert_array_equal(arrays["bn/gamma"], [0, 1])
    assert is_listed(tmp_path / "w.h5")


def _model(prefix=""):
    images = keras.Input((4, 4, 3))
    x = keras.layers.Conv2D(4, 3, name=f"{prefix}first")(images)
    x = keras.layers.BatchNormalization(name=f"{prefix}norm")(x)
    x = keras.layers.DepthwiseConv2D(2, use_bias=False, name=f"{prefix}depth")(x)
    return keras.Model(images, keras.layers.Dense(2, name=f"{prefix}last")(x))


@pytest.mark.parametrize("ending", ["weights.h5", "keras", "h5"])
def test_what_keras_writes_comes_back_by_layer(ending, tmp_path):
    model, path = _model(), tmp_path / f"w.{ending}"
    model.compile("adam", "mse")
    model.train_on_batch(np.ones((1, 4, 4, 3)), np.ones((1, 1, 1, 2)))  # so that an optimizer has numbers too
    (model.save_weights if ending == "weights.h5" else model.save)(path)
    arrays = read_h5(path)
    assert sorted(arrays) == sorted(weight.path for weight in model.weights)
    for weight in model.weights:
        np.testing.assert_array_equal(arrays[weight.path], weight)
    assert is_listed(path) == (ending == "h5")


def test_layers_without_a_name_of_their_own_are_called_by_their_address(tmp_path):
    with h5py.File(tmp_path / "w.h5", "w") as file:
        for address, name in (("layers/conv2d/vars", "same"), ("layers/conv2d_1/vars", "same"), ("head/fc/vars", None)):
            file[f"{address}/0"] = np.zeros(3)
            if name:
                file[address].attrs["name"] = name
        file["vars/0"] = np.zeros(2)
    assert sorted(read_h5(tmp_path / "w.h5")) == ["/0", "head/fc/0", "layers/conv2d/kernel", "layers/conv2d_1/kernel"]


def test_broken_files_are_refused_by_name(tmp_path):
    path = tmp_path / "w.h5"
    _listed(path, LAYERS)
    whole = path.read_bytes()
    for length in (0, 100, len(whole) // 2):
        path.write_bytes(whole[:length])
        with pytest.raises(ValueError, match="w.h5 cannot be read"):
            read_h5(path)
    path.write_bytes(whole)
    with h5py.File(path, "r+") as file:
        del file["bn/gamma:0"]
    with pytest.raises(ValueError, match="w.h5 cannot be read"):
        read_h5(path)
    with h5py.File(path, "w") as file:
        file["a"] = np.array([b"text"])
    with pytest.raises(ValueError, match="holds no numbers"):
        read_h5(path)
