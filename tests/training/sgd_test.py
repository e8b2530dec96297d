"""SGD against a few lines of NumPy, and against torch's recorded form of weight decay."""

import json
import logging
import pathlib
import re
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

from panet_tf.training.adamw import AdamW
from panet_tf.training.sgd import SGD, warn_of_other_updates
from panet_tf.training.warmup_step_decay import WarmupStepDecay

ROOT = pathlib.Path(__file__).parents[2]


def numpy_sgd(w, gradients, rates, momentum=0.9, decay=0.0, nesterov=False, clip=None):
    """The papers' form, one weight vector: decay into the gradient, gradient into the momentum."""
    v = np.zeros_like(w)
    for g, rate in zip(gradients, rates):
        if clip is not None:
            g = g * min(1.0, clip / np.linalg.norm(g))
        g = g + decay * w
        v = momentum * v + g
        w = w - rate * (g + momentum * v if nesterov else v)
    return w


def run(optimizer, start, gradients, name="kernel", jit_compile=False):
    variable = keras.Variable(start.astype("float32"), name=name)
    optimizer.build([variable])

    @tf.function(jit_compile=jit_compile)
    def step(g):
        optimizer.apply([g])

    for g in gradients:
        step(tf.constant(g, tf.float32))
    return variable.numpy()


@pytest.fixture
def problem():
    random = np.random.default_rng(0)
    return random.normal(size=5), list(random.normal(size=(7, 5)) * 3)


@pytest.mark.parametrize("jit_compile", [False, True])
@pytest.mark.parametrize(
    "arguments", [{}, {"decay": 0.1}, {"nesterov": True}, {"decay": 0.1, "clip": 2.0, "nesterov": True}]
)
def test_updates_are_the_papers(problem, arguments, jit_compile):
    start, gradients = problem
    optimizer = SGD(
        0.1,
        weight_decay=arguments.get("decay", 0.0),
        nesterov=arguments.get("nesterov", False),
        global_clipnorm=arguments.get("clip"),
    )
    expected = numpy_sgd(start, gradients, [0.1] * 7, **arguments)
    result = run(optimizer, start, gradients, jit_compile=jit_compile)
    np.testing.assert_allclose(result, expected, rtol=2e-5, atol=2e-6)


def test_decay_is_ten_times_that_of_keras():
    # The numbers of an experiment: 50 steps at rate 0.1, decay 0.01, no gradient, leave 0.644 here and 0.951 in Keras.
    zeros = [np.zeros(1)] * 50
    assert run(SGD(0.1, weight_decay=0.01), np.ones(1), zeros) == pytest.approx(0.644, abs=1e-3)
    theirs = keras.optimizers.SGD(0.1, momentum=0.9, weight_decay=0.01)
    assert run(theirs, np.ones(1), zeros) == pytest.approx(0.951, abs=1e-3)


@pytest.mark.parametrize("name", ["gamma", "beta", "bias"])
def test_norms_and_biases_do_not_decay(name):
    assert run(SGD(0.1, weight_decay=0.5), np.ones(3), [np.zeros(3)] * 4, name=name) == pytest.approx(np.ones(3))


def test_multipliers_scale_the_rate_of_a_path_and_of_biases():
    layers = [keras.layers.Dense(2, name="backbone_stem"), keras.layers.Dense(2, name="head")]
    for layer in layers:
        layer.build((None, 2))
    variables = [variable for layer in layers for variable in layer.trainable_variables]
    before = [variable.numpy() for variable in variables]
    optimizer = SGD(1.0, momentum=0.0, weight_decay=0.0, bias_multiplier=2.0, multipliers={"backbone": 0.1})
    optimizer.build(variables)
    optimizer.apply([tf.ones(variable.shape) for variable in variables])
    moved = [float(np.mean(old - variable.numpy())) for old, variable in zip(before, variables)]
    np.testing.assert_allclose(moved, [0.1, 0.2, 1.0, 2.0], rtol=1e-5)


@pytest.mark.parametrize(
    "arguments, warning",
    [
        ({"multipliers": {"backbone": 0.1, "stem/ker": 0.5}, "exclude_from_decay": ("kernel", "gamma")}, None),
        ({"multipliers": {"bakbone": 0.1}}, "multipliers of SGD has 'bakbone'.*Did you mean .backbone.\\?"),
        ({"exclude_from_decay": ("kernels",)}, "exclude_from_decay of SGD has 'kernels'.*Did you mean .kernel.\\?"),
    ],
)
def test_names_that_fit_no_variable_are_warned_of(arguments, warning, caplog):
    with keras.name_scope("backbone"), keras.name_scope("stem"):
        variables = [keras.Variable(np.ones(2, "float32"), name=name) for name in ("kernel", "bias")]
    with caplog.at_level(logging.WARNING):
        SGD(0.1, **arguments).build(variables)
    assert re.search(warning, caplog.text) if warning else not caplog.text


@pytest.mark.parametrize("jit_compile", [False, True])
def test_accumulation_updates_by_the_mean_gradient(problem, jit_compile):
    start, gradients = problem
    optimizer = SGD(0.1, weight_decay=0.1, gradient_accumulation_steps=3, global_clipnorm=1.0)
    means = [np.mean(gradients[0:3], 0), np.mean(gradients[3:6], 0)]  # the seventh waits for two more
    expected = numpy_sgd(start, means, [0.1] * 2, decay=0.1, clip=1.0)
    result = run(optimizer, start, gradients, jit_compile=jit_compile)
    np.testing.assert_allclose(result, expected, rtol=2e-5, atol=2e-6)
    assert int(optimizer.iterations) == 2


def test_schedules_count_updates_not_batches(problem):  # in Keras the second batch is past the boundary
    start, gradients = problem
    schedule = WarmupStepDecay(0.1, boundaries=(1,), warmup_steps=0)
    optimizer = SGD(schedule, weight_decay=0.0, gradient_accumulation_steps=3)
    means = [np.mean(gradients[0:3], 0), np.mean(gradients[3:6], 0)]
    expected = numpy_sgd(start, means, [0.1, 0.01])
    np.testing.assert_allclose(run(optimizer, start, gradients), expected, rtol=2e-5, atol=2e-6)


def test_survives_its_config():
    optimizer = SGD(
        WarmupStepDecay(0.3, boundaries=(5, 9)),
        momentum=0.8,
        nesterov=True,
        weight_decay=0.01,
        bias_multiplier=2.0,
        multipliers={"backbone": 0.1},
        global_clipnorm=1.0,
        gradient_accumulation_steps=4,
    )
    again = keras.optimizers.deserialize(keras.optimizers.serialize(optimizer))
    assert isinstance(again, SGD)
    assert again.get_config() == optimizer.get_config()
    assert float(again.learning_rate) == pytest.approx(float(optimizer.learning_rate))


@pytest.mark.parametrize(
    "arguments",
    [
        {"momentum": 1.0},
        {"weight_decay": -1.0},
        {"gradient_accumulation_steps": 0},
        {"clipnorm": 1.0, "global_clipnorm": 1.0},
    ],
)
def test_impossible_arguments_are_refused(arguments):
    with pytest.raises(ValueError, match="eceived"):
        SGD(0.1, **arguments)


def test_learning_rate_can_be_set():
    optimizer = SGD(0.1)
    optimizer.learning_rate = 0.2
    assert float(optimizer.learning_rate) == pytest.approx(0.2)


@pytest.fixture(scope="module")
def two_replicas():
    """Weights after steps on one device and on two, from a process that has two logical CPU devices."""
    command = [sys.executable, "-m", "tests.training.two_replicas"]
    output = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    return json.loads(output.strip().splitlines()[-1])


@pytest.mark.parametrize("case", ["plain", "clipped", "accumulated", "accumulated_bfloat16"])
def test_two_replicas_equal_one_device(two_replicas, case):
    one, two = two_replicas[case]["one"], two_replicas[case]["two"]
    assert one.keys() == two.keys() and len(one) > 5
    # bfloat16 rounds features to 3 digits, and sums over half batches round elsewhere.
    tolerance = 2e-3 if case.endswith("bfloat16") else 1e-5
    for name in one:
        np.testing.assert_allclose(two[name], one[name], atol=tolerance, rtol=tolerance, err_msg=name)


def test_replicas_do_move_weights(two_replicas):
    assert two_replicas["plain"]["moved"] > 1e-3  # else equality above would mean nothing


@pytest.mark.parametrize(
    ("optimizer", "accumulation", "images", "warned"),
    [(SGD, 8, 32, False), (SGD, 8, 4, True), (SGD, None, 4, False), (AdamW, None, 32, True), (AdamW, 8, 4, False)],
)
def test_schedules_for_other_updates_are_warned_of(optimizer, accumulation, images, warned, caplog):
    rate = WarmupStepDecay(0.02, boundaries=(60,), batch_size=images)
    with caplog.at_level(logging.WARNING):
        warn_of_other_updates(optimizer(rate, gradient_accumulation_steps=accumulation), 4)
        warn_of_other_updates(optimizer(0.02), 4)
        warn_of_other_updates(optimizer(rate), None)
    assert ("scales its rates to updates of" in caplog.text) == warned
