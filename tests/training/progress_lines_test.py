import io
import types

from panet_tf.training import progress_lines
from panet_tf.training.progress_lines import ProgressLines, numbers


def test_of_many_numbers_those_are_shown_that_people_look_at():
    logs = {"loss": 1.23456, "step": 8, "minutes": 2, "learning_rate": 0.1}
    logs |= {"val_segm/AP": 0.31, "val_segm/AP50": 0.5, "val_segm/AR_small": 0.1, "val_pq": 0.4}
    assert numbers(logs) == "loss 1.235, val_segm/AP 0.31, val_segm/AP50 0.5, val_pq 0.4"
    assert numbers(None) == ""


def test_lines_come_every_few_seconds_and_leave_evaluation_and_tracing_out_of_what_is_left(monkeypatch):
    clock = types.SimpleNamespace(seconds=0.0)
    monkeypatch.setattr(progress_lines.time, "monotonic", lambda: clock.seconds)
    control = types.SimpleNamespace(step=0, steps=100, minutes=0.5)
    control.minutes_left = lambda step_minutes: (control.steps - control.step) * step_minutes
    lines = ProgressLines(control, seconds=30.0, file=io.StringIO())
    lines.set_params({"epochs": 4})
    lines.on_train_begin()
    for seconds in (20, 6, 6):  # the first batch traces
        lines.on_train_batch_begin(0)
        clock.seconds += seconds
        control.step += 1
        lines.on_train_batch_end(0, {"loss": 2.0})
    clock.seconds += 500  # an evaluation
    lines.on_epoch_end(0, {"loss": 1.5})
    assert lines.file.getvalue().splitlines() == [
        "step 3/100: loss 2; 6.00 s/step, about 9.7 min of training left",
        "epoch 1/4, step 3/100: loss 1.5; 6.00 s/step, about 9.7 min of training left",
    ]


def test_before_a_second_batch_only_the_time_so_far_is_known():
    control = types.SimpleNamespace(step=1, steps=2, minutes=0.5)
    lines = ProgressLines(control, seconds=None, file=io.StringIO())
    lines.set_params({"epochs": 2})
    lines.on_train_begin()
    lines.on_train_batch_begin(0)
    lines.on_train_batch_end(0, {"loss": 2.0})
    lines.on_epoch_end(0, {"loss": 2.0})
    assert lines.file.getvalue() == "epoch 1/2, step 1/2: loss 2; 0.5 min so far\n"
