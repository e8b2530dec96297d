"""The training function: what it leaves behind, how it resumes, what it refuses."""

import csv
import functools
import inspect
import json
import pathlib
import shutil
import signal
import subprocess
import sys

import gin
import keras
import numpy as np
import pytest
import tensorflow as tf

from panet_tf.data.preprocessing import Preprocessing
from panet_tf.training.initial_weights import load_initial_weights
from panet_tf.training.run_record import differences
from panet_tf.training.sgd import SGD
from panet_tf.training.train import train
from tests.models.tiny import tiny_panet
from tests.training.killed_run import run
from tests.training.tiny import TinyData, TinyDetector

ROOT = pathlib.Path(__file__).parents[2]


class Interrupted(Exception):
    pass


class InterruptAt(keras.callbacks.Callback):
    def __init__(self, step):
        super().__init__()
        self.left = step

    def on_train_batch_end(self, batch, logs=None):
        self.left -= 1
        if not self.left:
            raise Interrupted


def assert_equal_weights(a, b):
    for x, y in zip([*a.weights, *a.optimizer.variables], [*b.weights, *b.optimizer.variables], strict=True):
        np.testing.assert_array_equal(np.asarray(x), np.asarray(y), err_msg=x.path)


def rows(folder):
    with open(folder / "history.csv", newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """An uninterrupted run: (model, folder)."""
    folder = tmp_path_factory.mktemp("whole")
    return run(folder), folder


def test_what_a_run_leaves_behind(whole):
    model, folder = whole
    assert [row["step"] for row in rows(folder)] == ["10", "20", "25"]  # the last epoch is the shorter one
    last = rows(folder)[-1]
    assert {"class_loss", "box_loss", "loss", "learning_rate", "val_bbox/AP"} <= set(last)
    assert float(last["learning_rate"]) == pytest.approx(0.005)
    metrics = json.loads((folder / "metrics.json").read_text())
    assert metrics["step"] == 25 and metrics["best"] == max(float(row["val_bbox/AP"]) for row in rows(folder))
    assert len(list((folder / "checkpoints").glob("epoch_*.weights.h5"))) == 3
    assert not list(folder.rglob(".partial-*"))
    saved = keras.saving.load_model(folder / "model.keras")
    for x, y in zip(model.weights, saved.weights, strict=True):
        np.testing.assert_array_equal(x.numpy(), y.numpy())


def test_losses_fall(whole):
    values = [float(row["loss"]) for row in rows(whole[1])]
    assert values[-1] < 0.7 * values[0]


def test_tensorboard_can_read_the_logs(whole):
    tags = {}
    for path in (whole[1] / "logs").glob("events*"):
        for record in tf.data.TFRecordDataset(str(path)).as_numpy_iterator():
            event = tf.compat.v1.Event.FromString(record)
            for value in event.summary.value:
                tags.setdefault(value.tag, []).append((event.step, float(tf.make_ndarray(value.tensor))))
                assert value.metadata.plugin_data.plugin_name == "scalars"
    assert [step for step, _ in tags["loss"]] == [10, 20, 25]
    losses = [float(row["loss"]) for row in rows(whole[1])]
    assert [value for _, value in tags["loss"]] == pytest.approx(losses, rel=1e-5)
    assert "val_bbox/AP" in tags


@pytest.mark.parametrize("step", [3, 14, 24])
def test_an_interrupted_run_ends_where_the_uninterrupted_one_does(whole, tmp_path, step):
    data = TinyData()
    with pytest.raises(Interrupted):
        run(tmp_path, train_data=data, callbacks=(InterruptAt(step),))
    model = run(tmp_path, train_data=data)
    assert data.steps_started == [0, step // 10 * 10]  # goes on with the data of the first lost step
    assert_equal_weights(model, whole[0])
    losses = [[row["loss"] for row in rows(folder)] for folder in (tmp_path, whole[1])]
    assert losses[0] == losses[1]


def test_accumulated_gradients_survive_an_interruption(tmp_path):
    arguments = dict(optimizer=lambda: SGD(0.05, gradient_accumulation_steps=4), steps=12)  # 10 is no multiple of 4
    expected = run(tmp_path / "whole", **arguments)
    with pytest.raises(Interrupted):
        run(tmp_path / "broken", callbacks=(InterruptAt(11),), **arguments)
    assert_equal_weights(run(tmp_path / "broken", **arguments), expected)


@pytest.mark.parametrize("when", [("step", "14"), ("checkpoint", "2")], ids=" ".join)
def test_kill_9(whole, tmp_path, when):
    command = [sys.executable, "-m", "tests.training.killed_run", str(tmp_path), *when]
    killed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    model = run(tmp_path)
    assert_equal_weights(model, whole[0])
    assert not list(tmp_path.rglob(".partial-*"))


def test_a_finished_run_only_restores(whole, capsys):
    model, folder = whole
    before = (folder / "history.csv").read_bytes()
    data = TinyData()
    again = run(folder, train_data=data, verbose="auto")
    assert data.steps_started == []
    assert "Nothing to do" in capsys.readouterr().out
    assert (folder / "history.csv").read_bytes() == before
    assert_equal_weights(again, model)


@pytest.mark.parametrize("names", [["metrics.json"], ["model.keras"], ["run.json"], ["metrics.json", "history.csv"]])
def test_a_finished_run_writes_the_final_files_that_a_kill_prevented(whole, tmp_path, names):
    folder = tmp_path / "run"
    shutil.copytree(whole[1], folder)
    for name in names:
        (folder / name).unlink()
    data = TinyData()
    run(folder, train_data=data)
    assert data.steps_started == []
    if "history.csv" in names:  # what only that file knew is lost
        found, expected = (json.loads((place / "metrics.json").read_text()) for place in (folder, whole[1]))
        measured = {name: value for name, value in expected.items() if name.startswith("val_")}
        assert measured and found == measured | {name: expected[name] for name in ("epoch", "step", "minutes", "best")}
        return
    assert sorted(folder.rglob("*.*")) == [
        folder / path.relative_to(whole[1]) for path in sorted(whole[1].rglob("*.*"))
    ]
    for name in ("metrics.json", "history.csv"):
        assert (folder / name).read_bytes() == (whole[1] / name).read_bytes(), name
    assert differences(*(json.loads((place / "run.json").read_text()) for place in (folder, whole[1]))) == []
    models = [keras.saving.load_model(place / "model.keras") for place in (folder, whole[1])]
    assert_equal_weights(*models)


def test_old_final_files_of_a_run_that_went_on_and_was_killed_at_its_end_are_replaced(whole, tmp_path):
    folder = tmp_path / "run"
    run(folder, steps=10)
    old = {name: (folder / name).read_bytes() for name in ("metrics.json", "model.keras")}
    shutil.copytree(whole[1], folder, dirs_exist_ok=True)
    for name, content in old.items():
        (folder / name).write_bytes(content)
    assert_equal_weights(run(folder), whole[0])
    assert (folder / "metrics.json").read_bytes() == (whole[1] / "metrics.json").read_bytes()
    assert_equal_weights(keras.saving.load_model(folder / "model.keras"), whole[0])


def test_the_record_of_a_finished_run_stays_true(whole, tmp_path, capsys):
    folder = tmp_path / "run"
    shutil.copytree(whole[1], folder)
    for _ in range(2):  # and says so every time
        run(folder, seed=5, verbose="auto")
        assert "arguments.seed: 0 -> 5" in capsys.readouterr().out
    assert (folder / "run.json").read_bytes() == (whole[1] / "run.json").read_bytes()
    run(folder, refuse_changes=True)
    with pytest.raises(ValueError, match=r"(?s)run must be .*arguments.seed: 0 -> 5.*another folder, or delete"):
        run(folder, seed=5, refuse_changes=True)
    run(folder, steps=26, refuse_changes=True)  # one that goes on is none


def test_more_steps_go_on_and_the_change_is_said(tmp_path, capsys):
    run(tmp_path, steps=10)
    model = run(tmp_path, verbose="auto")
    out = capsys.readouterr().out
    assert "arguments.steps: 10 -> 25" in out and "Continuing" in out
    assert model.optimizer.iterations == 25
    assert ".name" not in out.split("Continuing")[0]  # Keras's numbering of names is no change


def test_max_minutes_ends_the_run_with_its_checkpoint(tmp_path):
    run(tmp_path, steps=1_000_000, steps_per_epoch=500_000, max_minutes=0.01)
    (row,) = rows(tmp_path)
    assert 0 < int(row["step"]) < 500_000 and "val_bbox/AP" in row
    assert (tmp_path / "model.keras").exists()
    data = TinyData()
    run(tmp_path, steps=1_000_000, steps_per_epoch=500_000, max_minutes=0.01, train_data=data)
    assert data.steps_started == []  # the time counts over processes


def test_a_loss_that_is_not_finite_stops_before_a_checkpoint(tmp_path):
    with pytest.raises(FloatingPointError, match="at step"):
        run(tmp_path, optimizer=lambda: SGD(1e38, momentum=0.0), steps=10)
    assert not list(tmp_path.rglob("epoch_*"))


def test_best_weights_can_be_the_final_ones(tmp_path, monkeypatch):
    values = iter([0.5, 0.9, 0.1])
    biases = []

    def fake_evaluate(model, data, **_):
        biases.append(model.conv.bias.numpy())
        return {"segm/AP": next(values)}

    monkeypatch.setattr("panet_tf.training.evaluation_callback.evaluate", fake_evaluate)
    model = run(tmp_path, final_weights="best")
    np.testing.assert_array_equal(model.conv.bias.numpy(), biases[1])
    assert not np.array_equal(biases[1], biases[2])


def test_a_run_that_a_callback_ended_is_finished(tmp_path, monkeypatch, capsys):
    values = iter([0.5, 0.1, 0.2])
    biases = []

    def fake_evaluate(model, data, **_):
        biases.append(model.conv.bias.numpy())
        return {"bbox/AP": next(values)}

    monkeypatch.setattr("panet_tf.training.evaluation_callback.evaluate", fake_evaluate)
    stopping = keras.callbacks.EarlyStopping("val_bbox/AP", mode="max", patience=1, restore_best_weights=True)
    run(tmp_path, callbacks=(stopping,), steps_per_epoch=5)
    assert len(biases) == 2
    data = TinyData()
    for _ in range(2):  # a repetition changes nothing
        model = run(tmp_path, train_data=data, steps_per_epoch=5, verbose="auto")
        assert "step 10 of 25, where a callback ended it" in capsys.readouterr().out
        for made in (model, keras.saving.load_model(tmp_path / "model.keras")):
            np.testing.assert_array_equal(made.conv.bias.numpy(), biases[0])  # as restored by the callback
    assert data.steps_started == [] and not np.array_equal(biases[0], biases[1])
    monkeypatch.undo()
    model = run(tmp_path, train_data=data, steps=20, steps_per_epoch=5, callbacks=(keras.callbacks.Callback(),))
    whole = run(tmp_path / "whole", steps=20, steps_per_epoch=5)
    assert data.steps_started == [10]
    assert_equal_weights(model, whole)  # after the last epoch, not after the one restored


def test_the_last_weights_are_the_final_ones_and_said_where_none_is_the_best(tmp_path, capsys):
    with pytest.raises(ValueError, match="Did you mean 'val_bbox/AP'"):
        run(tmp_path, steps=4, monitor="val_bbox/APP", final_weights="best")
    run(tmp_path, steps=4, monitor="val_bbox/AP", final_weights="best")  # nothing is left to train or measure
    assert "'val_bbox/AP' never was measured: model.keras holds the last weights" in capsys.readouterr().out
    assert (tmp_path / "model.keras").exists()


def test_a_run_without_a_readable_checkpoint_starts_from_the_initial_weights(tmp_path, capsys):
    source = TinyDetector()
    source.conv.kernel.assign(np.full(source.conv.kernel.shape, 0.25))
    source.save(tmp_path / "source.keras")
    arguments = dict(steps=2, initial_weights=tmp_path / "source.keras")
    expected = run(tmp_path / "whole", **arguments)
    checkpoint = tmp_path / "broken" / "checkpoints" / "epoch_000001.weights.h5"
    checkpoint.parent.mkdir(parents=True)
    checkpoint.write_bytes(b"half of it")
    assert_equal_weights(run(tmp_path / "broken", **arguments), expected)
    assert "no other is there" in capsys.readouterr().out


def test_initial_weights_fill_what_fits(tmp_path, capsys):
    source = TinyDetector(categories=[{"id": 1, "name": "one"}])
    source.conv.kernel.assign(np.full(source.conv.kernel.shape, 0.25))
    source.save(tmp_path / "source.keras")
    target = TinyDetector()
    head = target.class_head.kernel.numpy()
    kept = load_initial_weights(target, tmp_path / "source.keras")
    assert set(kept) == {"class_head/kernel", "class_head/bias"}
    assert "2 of" in capsys.readouterr().out
    np.testing.assert_array_equal(target.conv.kernel.numpy(), 0.25)
    np.testing.assert_array_equal(target.class_head.kernel.numpy(), head)


def test_initial_weights_bring_no_optimizer(tmp_path):
    source = run(tmp_path / "source", steps=4)
    model = run(tmp_path / "target", steps=2, initial_weights=tmp_path / "source" / "model.keras")
    assert source.optimizer.iterations == 4 and model.optimizer.iterations == 2


def test_a_model_is_used_on_images_as_it_last_learned_them(tmp_path):
    """A model of other sizes, as one from a file, takes those of its new data; where only canvases differ, its own."""
    data = TinyData()
    for side, kept in ((400, False), (8, True)):
        data.preprocessing = Preprocessing(canvases=((32, 32),), short_side=8, long_side=16)
        old = Preprocessing(canvases=((64, 64),), short_side=side, long_side=16)
        make = functools.partial(TinyDetector, preprocessing=old)
        model = train(model=make, train_data=data, model_dir=tmp_path / str(side), steps=1, verbose=False)
        assert model.preprocessing is (old if kept else data.preprocessing)


def test_policy_is_of_this_model_only(tmp_path):
    model = run(tmp_path, dtype_policy="mixed_bfloat16", steps=2)
    assert model.compute_dtype == "bfloat16" and model.variable_dtype == "float32"
    assert keras.config.dtype_policy().name == "float32"


def test_jit_compile_with_accumulation_and_bfloat16(tmp_path):
    optimizer = SGD(0.01, gradient_accumulation_steps=2)
    model = run(tmp_path, optimizer=optimizer, jit_compile=True, dtype_policy="mixed_bfloat16", steps=6)
    assert model.optimizer.iterations == 3 and model.jit_compile is True
    assert model.optimizer is not optimizer  # rebuilt in the scope


def test_one_seed_for_weights_and_sampling(tmp_path):
    model = train(model=TinyDetector, train_data=TinyData(), model_dir=tmp_path, steps=1, seed=7, verbose=False)
    assert model.seed == 7


def test_a_built_model_keeps_its_optimizer(tmp_path):
    model = TinyDetector()
    model.compile(optimizer=keras.optimizers.Adam(0.01))
    assert run(tmp_path, model=model, optimizer=None, steps=2) is model
    assert isinstance(model.optimizer, keras.optimizers.Adam)


def test_validation_losses(tmp_path):
    run(tmp_path, steps=4, validation_losses=True)
    assert {"val_loss", "val_class_loss", "val_box_loss"} <= set(rows(tmp_path)[-1])


def test_operative_config_is_kept(tmp_path):
    with gin.unlock_config():
        gin.bind_parameter("panet_tf.train.steps_per_epoch", 2)
    configured = gin.get_configurable("panet_tf.train")
    configured(model=TinyDetector, train_data=TinyData(), model_dir=tmp_path, steps=2, verbose=False)
    assert "train.steps_per_epoch = 2" in (tmp_path / "operative_config.gin").read_text()


def test_lines_instead_of_a_bar_where_there_is_no_terminal(tmp_path, capsys):
    run(tmp_path, verbose="auto")
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("epoch")]
    assert lines[0].startswith("epoch 1/3, step 10/25: ") and "class_loss" in lines[0] and "min" in lines[0]


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"steps": 0}, "received 0"),
        ({"steps_per_epoch": 0}, "received"),
        ({"final_weights": "both"}, "both"),
        ({"final_weights": "best", "eval_data": None}, "eval_data"),
        ({"strategy": "mirored"}, "mirored"),
        ({"eval_data": TinyData(training=False, categories=({"id": 7, "name": "x"},))}, "same categories"),
    ],
)
def test_impossible_arguments_are_refused_before_the_first_step(tmp_path, arguments, message):
    data = TinyData()
    with pytest.raises(ValueError, match=message):
        run(tmp_path, train_data=data, **arguments)
    assert data.steps_started == []


def test_differences():
    old = {"a": {"b": 1, "name": "x_1"}, "gin": ["x = 1", "y = 2"]}
    new = {"a": {"b": 2, "name": "x_2"}, "gin": ["x = 1", "y = 3"], "c": 4}
    assert differences(old, new) == ["a.b: 1 -> 2", "gin -y = 2", "gin +y = 3", "c: None -> 4"]
    assert differences([{"x": [1, 2]}, {"name": "a"}], [{"x": [1, 3]}, {"name": "b_1"}]) == [
        "0.x: [1, 2] -> [1, 3]",
        "1.name: a -> b_1",
    ]
    assert len(differences({"a": "x" * 999}, {"a": 0})[0]) < 300


def test_models_made_twice_in_a_process_are_the_same_settings():
    configs = [json.loads(json.dumps(keras.saving.serialize_keras_object(tiny_panet())["config"])) for _ in range(2)]
    assert configs[0] != configs[1] and differences(*configs) == []


def test_signature_is_documented():
    names = inspect.signature(train).parameters
    text = train.__doc__
    assert [name for name in names if name not in text] == []
