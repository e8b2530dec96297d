"""Loading what fits, and saying what does not."""

import keras
import numpy as np
import pytest

from panet_tf.backbones.resnet import resnet
from panet_tf.weights import load
from tests.layer_checks import randomize
from tests.weights.torch_writer import Tensor, save


def _model(units=4):
    images = keras.Input((3,))
    x = keras.layers.Dense(2, name="shared")(images)
    return keras.Model(images, keras.layers.Dense(units, name="classes")(x))


def _torch_arrays(model):
    leaves = {"kernel": "weight", "bias": "bias"}
    layers = [model.get_layer(name) for name in ("shared", "classes")]
    return {f"{layer.name}.{leaves[w.name]}": np.asarray(w).T for layer in layers for w in layer.weights}


@pytest.mark.parametrize("kind", ["npz", "pth", "own npz", "keras", "weights.h5"])
def test_other_class_counts_skip_the_classes_and_say_so(kind, tmp_path, capsys):
    source, model = _model(81), _model(4)
    randomize(source)
    file = tmp_path / f"model.{kind.split()[-1]}"
    if kind == "npz":
        np.savez(file, **_torch_arrays(source))
    elif kind == "pth":
        save({name: Tensor(np.ascontiguousarray(array)) for name, array in _torch_arrays(source).items()}, file)
    elif kind == "own npz":
        np.savez(file, **{weight.path: np.asarray(weight) for weight in source.weights})
    elif kind == "keras":
        source.save(file)
    else:
        source.save_weights(file)
    fresh = np.array(model.get_layer("classes").kernel)
    report = load(model, file)
    assert (len(report.loaded), len(report.skipped), len(report.missing)) == (2, 2, 2)
    assert all("the model has" in reason for _, _, reason in report.skipped)
    np.testing.assert_array_equal(model.get_layer("shared").kernel, source.get_layer("shared").kernel)
    np.testing.assert_array_equal(model.get_layer("shared").bias, source.get_layer("shared").bias)
    np.testing.assert_array_equal(model.get_layer("classes").kernel, fresh)
    printed = capsys.readouterr().out
    assert printed == f"{report}\n"
    assert all(name in printed for name, _, _ in report.skipped)


def test_a_file_of_something_else_is_refused_before_anything_changes(tmp_path):
    model = _model()
    before = model.get_weights()
    np.savez(tmp_path / "w.npz", **{"encoder.weight": np.ones((2, 2))})
    with pytest.raises(ValueError, match=r"(?s)Nothing in .*encoder.weight \(2, 2\): not in the model"):
        load(model, tmp_path / "w.npz")
    for old, new in zip(before, model.get_weights()):
        np.testing.assert_array_equal(old, new)


def test_quiet_when_asked(tmp_path, capsys):
    np.savez(tmp_path / "w.npz", **_torch_arrays(_model()))
    load(_model(), tmp_path / "w.npz", verbose=False)
    assert capsys.readouterr().out == ""


def test_a_torch_checkpoint_of_a_detector_gives_its_backbone(tmp_path):
    model = resnet(18)
    randomize(model)
    leaves = {"gamma": "weight", "beta": "bias", "moving_mean": "running_mean", "moving_variance": "running_var"}
    content = {}
    for weight in model.weights:
        path, leaf = weight.path.split("/")
        array = np.asarray(weight)
        array = np.ascontiguousarray(array.transpose(3, 2, 0, 1)) if array.ndim == 4 else array
        content[f"module.backbone.body.{path.replace('_', '.')}.{leaves.get(leaf, 'weight')}"] = Tensor(array)
    save({"epoch": 1, "state_dict": content}, tmp_path / "detector.pth")
    other = resnet(18)
    report = load(
        other, tmp_path / "detector.pth", rename=lambda name: name.removeprefix("backbone.body."), verbose=False
    )
    assert not report.skipped and not report.missing
    for a, b in zip(model.weights, other.weights):
        np.testing.assert_array_equal(a, b)


def test_counters_of_batches_are_reported(capsys):
    arrays = _torch_arrays(_model()) | {f"bn{i}.num_batches_tracked": np.array(7) for i in range(3)}
    report = load(_model(), arrays)
    assert report.ignored == tuple(name for name in arrays if "num_batches" in name) and not report.skipped
    assert "Ignored 3 num_batches_tracked." in capsys.readouterr().out


def _other_model():
    """Another build: its layers are other children of the model, under names of their own."""
    images = keras.Input((3,))
    x = keras.layers.Dense(5, name="unknown")(keras.layers.Dense(2, name="their_shared")(images))
    return keras.Model(images, keras.layers.Dense(4, name="their_classes")(keras.layers.Dense(2)(x)))


@pytest.mark.parametrize("ending", ["weights.h5", "keras"])
def test_keras_files_of_other_models_are_read_by_name(ending, tmp_path):
    source, model, path = _other_model(), _model(), tmp_path / f"other.{ending}"
    (source.save_weights if ending == "weights.h5" else source.save)(path)

    def rename(name):
        return None if name.startswith("unknown") else name.removeprefix("their_")

    report = load(model, path, rename=rename, verbose=False)
    assert len(report.loaded) == 4 and len(report.skipped) == 2 and not report.missing
    assert report.ignored == ("unknown/kernel", "unknown/bias")
    for name in ("shared", "classes"):
        np.testing.assert_array_equal(model.get_layer(name).kernel, source.get_layer(f"their_{name}").kernel)


def test_files_of_keras_2_are_read_by_name(tmp_path):
    source, model = _model(), _model()
    source.save(tmp_path / "w.h5")
    report = load(model, tmp_path / "w.h5", verbose=False)
    assert len(report.loaded) == 4 and not report.missing
    np.testing.assert_array_equal(model.get_layer("classes").kernel, source.get_layer("classes").kernel)
