import types

import pytest

from panet_tf.training import run_control
from panet_tf.training.run_control import RunControl


def control(monkeypatch, steps=10, **kwargs):
    """A `RunControl` in a run whose clock the test turns, by minutes."""
    clock = types.SimpleNamespace(minutes=5.0)
    monkeypatch.setattr(run_control.time, "monotonic", lambda: 60 * clock.minutes)
    callback = RunControl(steps, **kwargs)
    optimizer = types.SimpleNamespace(learning_rate=0.125)
    callback.set_model(types.SimpleNamespace(stop_training=False, optimizer=optimizer))
    return callback, clock


def test_steps_and_minutes_go_on_where_earlier_processes_stopped(monkeypatch):
    callback, clock = control(monkeypatch, start_step=7, start_minutes=2.0)
    assert callback.minutes == 2.0
    callback.on_train_begin()
    clock.minutes += 1.5
    for batch in range(2):
        callback.on_train_batch_end(batch, {"loss": 1.0})
    assert callback.step == 9 and not callback.model.stop_training and not callback.finished
    logs = {"loss": 1.0}
    callback.on_epoch_end(0, logs)
    assert logs == {"loss": 1.0, "step": 9, "minutes": 3.5, "learning_rate": 0.125}
    assert callback.minutes_left(0.5) == 0.5
    assert not callback.ended
    callback.on_train_batch_end(2, {"loss": 1.0})
    assert callback.ended and callback.finished and callback.model.stop_training


def test_time_ends_a_run(monkeypatch):
    callback, clock = control(monkeypatch, max_minutes=4.0, start_minutes=1.0)
    callback.on_train_begin()
    clock.minutes += 2.5
    callback.on_train_batch_end(0, {"loss": 1.0})
    assert not callback.finished and callback.minutes_left(0.25) == 0.5  # of nine steps there is time for two
    clock.minutes += 0.5
    callback.on_train_batch_end(1, {"loss": 1.0})
    assert callback.finished and callback.model.stop_training and callback.minutes_left(0.25) == 0


@pytest.mark.parametrize("loss", [float("nan"), float("inf")])
def test_a_loss_that_is_not_finite_stops_the_run_with_all_losses_named(loss, monkeypatch):
    callback, _ = control(monkeypatch, steps=100, check_every=2)
    callback.on_train_begin()
    callback.on_train_batch_end(0, {"loss": loss})  # looked at every second step
    with pytest.raises(FloatingPointError, match=r"at step 2: .*'mask_loss': 0.5.*learning rate"):
        callback.on_train_batch_end(1, {"loss": loss, "mask_loss": 0.5})
    with pytest.raises(FloatingPointError, match="last checkpoint is still good"):
        callback.on_epoch_end(0, {"loss": loss})
