"""The part alone; `tests/training/retinanet_distribution_test.py` has it on replicas."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from panet_tf.models.running_count import RunningCount

COUNTS = (12.0, 0.0, 3.0, 900.0, 40.0)


def slow(counts, momentum, average):
    found = []
    for count in counts:
        average = average * momentum + max(count, 1.0) * (1.0 - momentum)
        found.append(average)
    return found


@pytest.mark.parametrize("jit_compile", [False, True])
@pytest.mark.parametrize("numbers", [(0.9, 100.0), (0.5, 7.0)])
def test_equals_a_loop_over_steps(numbers, jit_compile):
    part = RunningCount(momentum=numbers[0], initial=numbers[1])
    step = tf.function(lambda count: part(count, training=True), jit_compile=jit_compile)
    found = [float(step(tf.constant(count))) for count in COUNTS]
    np.testing.assert_allclose(found, slow(COUNTS, *numbers), rtol=1e-6)
    np.testing.assert_allclose(part.average, found[-1], rtol=1e-6)


def test_stays_as_it_is_outside_training_and_has_no_gradient():
    part, count = RunningCount(), tf.constant(5.0)  # by default 0.9 and 100, detectron2's
    assert float(part(count)) == 100.0
    with tf.GradientTape() as tape:
        tape.watch(count)
        average = part(count, training=True)
    assert tape.gradient(average, count) is None and average.dtype == tf.float32
    assert float(part(count)) == float(average) == pytest.approx(90.5)


def test_is_a_weight_of_float32_that_no_optimizer_moves_and_comes_back_from_its_config():
    part = RunningCount(momentum=0.8, initial=30.0, dtype="mixed_bfloat16")
    assert (len(part.trainable_weights), len(part.non_trainable_weights)) == (0, 1)
    assert part.average.dtype == "float32"
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(part))
    assert (again.momentum, again.initial, float(again.average)) == (0.8, 30.0, 30.0)


@pytest.mark.parametrize(("name", "value"), [("momentum", 1.0), ("momentum", -0.1), ("initial", 0.5)])
def test_what_is_out_of_range_is_refused(name, value):
    with pytest.raises(ValueError, match=f"{name} must be .* received {value}"):
        RunningCount(**{name: value})
