"""Checkpoints under every kind of accident."""

import json
import types

import h5py
import keras
import numpy as np
import pytest

from panet_tf.training.checkpointing import Checkpointing, read_state
from panet_tf.training.sgd import SGD
from tests.training.tiny import TinyData, TinyDetector


def compiled(optimizer=None, **arguments):
    model = TinyDetector(**arguments)
    model.compile(optimizer=optimizer or SGD(0.05), jit_compile=False)
    return model


def finish_epoch(checkpointing, model, epoch, **logs):
    checkpointing.set_model(model)
    checkpointing.on_epoch_end(epoch, logs)


def weights(model):
    return [w.numpy() for w in model.weights] + [np.asarray(v) for v in model.optimizer.variables]


def test_restores_weights_optimizer_and_counters(tmp_path):
    model = compiled()
    model.fit(TinyData().dataset(), steps_per_epoch=3, verbose=0, shuffle=False)
    finish_epoch(Checkpointing(tmp_path), model, 4, step=15, minutes=2.5)
    other = compiled()
    state = Checkpointing(tmp_path).restore(other)
    assert (state["epoch"], state["step"], state["minutes"]) == (5, 15, 2.5)
    for a, b in zip(weights(model), weights(other), strict=True):
        np.testing.assert_array_equal(a, b)
    assert int(other.optimizer.iterations) == 3


def test_nothing_to_restore(tmp_path):
    assert Checkpointing(tmp_path / "absent").restore(compiled()) is None


def test_keeps_the_last_and_the_best(tmp_path):
    model = compiled()
    model.optimizer.build(model.trainable_variables)
    checkpointing = Checkpointing(tmp_path, keep=2)
    for epoch, value in enumerate([0.1, 0.3, 0.2, 0.25]):
        model.conv.bias.assign(np.full(8, value))
        finish_epoch(checkpointing, model, epoch, step=epoch, **{"val_segm/AP": value, "val_bbox/AP": -value})
    assert [path.name for path in checkpointing.paths()] == ["epoch_000003.weights.h5", "epoch_000004.weights.h5"]
    best = compiled()
    best.optimizer.build(best.trainable_variables)
    best.load_weights(checkpointing.best_path)
    np.testing.assert_allclose(best.conv.bias.numpy(), 0.3)
    again = Checkpointing(tmp_path, keep=2)
    again.restore(compiled())
    assert again.best == pytest.approx(0.3)  # a resumed run does not call a worse epoch the best


def test_a_kill_before_the_copy_leaves_no_older_best(tmp_path, monkeypatch):
    model = compiled()
    model.optimizer.build(model.trainable_variables)
    checkpointing = Checkpointing(tmp_path)
    finish_epoch(checkpointing, model, 0, step=1, **{"val_segm/AP": 0.1})
    monkeypatch.setattr(checkpointing, "_copy_to_best", lambda path: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        finish_epoch(checkpointing, model, 1, step=2, **{"val_segm/AP": 0.3})
    assert read_state(checkpointing.best_path)["step"] == 1
    again = Checkpointing(tmp_path)
    again.restore(compiled())
    assert read_state(again.best_path)["step"] == 2
    finish_epoch(again, model, 2, step=3, **{"val_segm/AP": 0.2})
    Checkpointing(tmp_path).restore(compiled())
    assert read_state(again.best_path)["step"] == 2  # a worse one, restored, takes no place


@pytest.mark.parametrize("others", [{}, {"val_segm/AP": 0.9, "val_pq": 0.4}])
def test_box_ap_is_the_monitor_without_masks_and_panoptic_quality_before_both(tmp_path, others):
    model = compiled()
    model.optimizer.build(model.trainable_variables)
    checkpointing = Checkpointing(tmp_path)
    finish_epoch(checkpointing, model, 0, **({"val_bbox/AP": 0.7 if others else 0.4} | others))
    assert checkpointing.best == 0.4


@pytest.mark.parametrize("damage", ["truncated", "empty", "no counters"])
def test_a_damaged_checkpoint_falls_back_to_the_one_before(tmp_path, damage, capsys):
    model = compiled()
    model.optimizer.build(model.trainable_variables)
    checkpointing = Checkpointing(tmp_path)
    finish_epoch(checkpointing, model, 0, step=10)
    finish_epoch(checkpointing, model, 1, step=20)
    newest = checkpointing.paths()[-1]
    if damage == "no counters":
        with h5py.File(newest, "a") as file:
            del file.attrs["panet_tf"]
    else:
        newest.write_bytes(newest.read_bytes()[: 0 if damage == "empty" else 5000])
    assert Checkpointing(tmp_path).restore(compiled())["step"] == 10
    assert newest.name in capsys.readouterr().out


def test_broken_checkpoints_of_later_epochs_take_no_place(tmp_path):
    model = compiled()
    model.optimizer.build(model.trainable_variables)
    checkpointing = Checkpointing(tmp_path, keep=1)
    (tmp_path / "epoch_000009.weights.h5").write_bytes(b"")
    assert checkpointing.newest() == (None, None) and checkpointing.restore(model) is None
    finish_epoch(checkpointing, model, 0, step=10)
    path, state = checkpointing.newest()
    assert path.name == "epoch_000001.weights.h5" and state["step"] == 10


def test_a_named_monitor_must_be_measured(tmp_path):
    model = compiled()
    model.optimizer.build(model.trainable_variables)
    checkpointing = Checkpointing(tmp_path, monitor="val_bbox/APP")
    checkpointing.evaluation = types.SimpleNamespace(measured=False)
    finish_epoch(checkpointing, model, 0, step=10, loss=1.0, val_own=1.0)  # of the user's, between two evaluations
    checkpointing.evaluation.measured = True
    with pytest.raises(ValueError, match="received 'val_bbox/APP'. Did you mean 'val_bbox/AP'?"):
        finish_epoch(checkpointing, model, 1, step=20, loss=1.0, val_loss=1.0, **{"val_bbox/AP": 0.5})
    assert checkpointing.newest()[1]["step"] == 20


def test_a_file_half_written_is_no_checkpoint(tmp_path):
    model = compiled()
    model.optimizer.build(model.trainable_variables)
    checkpointing = Checkpointing(tmp_path)
    finish_epoch(checkpointing, model, 0, step=10)
    partial = tmp_path / ".partial-99-epoch_000002.weights.h5"  # what kill -9 leaves
    partial.write_bytes(checkpointing.paths()[0].read_bytes()[:3000])
    assert Checkpointing(tmp_path).restore(compiled())["step"] == 10
    assert not partial.exists()


def test_an_exception_while_writing_leaves_the_old_file(tmp_path, monkeypatch):
    model = compiled()
    model.optimizer.build(model.trainable_variables)
    checkpointing = Checkpointing(tmp_path)
    finish_epoch(checkpointing, model, 0, step=10)
    monkeypatch.setattr(json, "dumps", lambda *_, **__: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        finish_epoch(checkpointing, model, 0, step=99)
    monkeypatch.undo()
    assert read_state(checkpointing.paths()[0])["step"] == 10


def test_another_model_or_optimizer_is_refused(tmp_path):
    model = compiled()
    model.fit(TinyData().dataset(), steps_per_epoch=2, verbose=0, shuffle=False)
    finish_epoch(Checkpointing(tmp_path), model, 0, step=2)
    with pytest.raises(ValueError, match="another model"):
        Checkpointing(tmp_path).restore(compiled(categories=[{"id": 1, "name": "one"}]))
    with pytest.warns(UserWarning), pytest.raises(ValueError, match="another optimizer"):
        Checkpointing(tmp_path).restore(compiled(keras.optimizers.Adam()))


def test_keep_must_be_positive():
    with pytest.raises(ValueError, match="received 0"):
        Checkpointing("anywhere", keep=0)
