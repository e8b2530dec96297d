"""Every implementation of a grouped convolution against one convolution a group, gradients included."""

import numpy as np
import pytest
import tensorflow as tf

from panet_tf.ops import grouped_conv as module
from panet_tf.ops.grouped_conv import IMPLEMENTATIONS, grouped_conv
from tests.backbones.torch_twins import conv

RNG = np.random.default_rng(0)


def random(*shape):
    return tf.constant(RNG.standard_normal(shape), tf.float32)


@pytest.mark.parametrize(
    "groups, channels, filters, strides, dilations",
    [(32, 128, 128, 1, 1), (4, 96, 8, 2, 1), (3, 6, 12, 1, 2), (1, 4, 6, 1, 1), (6, 6, 6, 1, 1)],
)
def test_every_implementation_is_a_convolution_a_group(groups, channels, filters, strides, dilations):
    x, kernel = random(2, 9, 8, channels), random(3, 3, channels // groups, filters)
    upstream = None
    results = {}
    for name in IMPLEMENTATIONS:
        with tf.GradientTape() as tape:
            tape.watch([x, kernel])
            y = grouped_conv(x, kernel, strides=strides, padding="VALID", dilations=dilations, implementation=name)
            upstream = random(*y.shape) if upstream is None else upstream
            loss = tf.reduce_sum(y * upstream)
        results[name] = [y, *tape.gradient(loss, [x, kernel])]
    if dilations == 1:
        slow = conv(x[1].numpy().transpose(2, 0, 1), kernel.numpy().transpose(3, 2, 0, 1), strides, 0, groups)
        np.testing.assert_allclose(results["split"][0][1], slow.transpose(1, 2, 0), atol=1e-4)
    for name, values in results.items():
        for value, expected in zip(values, results["split"]):
            np.testing.assert_allclose(value, expected, atol=1e-4, err_msg=name)  # float32 sums of up to 300 terms


def test_one_is_chosen_that_runs_here(monkeypatch):
    x, kernel = random(1, 5, 5, 12), random(3, 3, 4, 6)
    expected = grouped_conv(x, kernel, implementation="split")

    def operations(jit_compile):
        function = tf.function(grouped_conv, jit_compile=jit_compile)
        np.testing.assert_allclose(function(x, kernel), expected, atol=1e-5)
        return [op.type for op in function.get_concrete_function(x, kernel).graph.get_operations()].count("Conv2D")

    native = module.native_is_there()
    assert operations(None) == (1 if native else 3)
    assert operations(True) == 1  # the three groups of 4 channels merged into a dense one
    monkeypatch.setattr(module, "native_is_there", lambda: False)
    assert operations(None) == 3


def test_what_does_not_fit_is_refused():
    with pytest.raises(ValueError, match="implementation must be one of.*'fast'"):
        grouped_conv(random(1, 4, 4, 4), random(3, 3, 2, 4), implementation="fast")
    with pytest.raises(ValueError, match="multiples of the groups, received 5 channels"):
        grouped_conv(random(1, 4, 4, 5), random(3, 3, 2, 4))
    with pytest.raises(ValueError, match="multiples of the groups, received 4 channels"):
        grouped_conv(random(1, 4, 4, 4), random(3, 3, 2, 5))
