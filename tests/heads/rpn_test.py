import keras
import numpy as np
import pytest
import tensorflow as tf

from panet_tf.heads.rpn import RPNHead
from tests.layer_checks import assert_close, check_layer
from tests.necks.slow_conv import block, relu

RNG = np.random.default_rng(0)
LEVELS = {
    "P2": RNG.standard_normal((2, 5, 7, 8)).astype("f"),
    "P3": RNG.standard_normal((2, 3, 4, 8)).astype("f"),
}
SHAPES = {
    "objectness": {"P2": (2, 70), "P3": (2, 24)},
    "box_deltas": {"P2": (2, 70, 4), "P3": (2, 24, 4)},
}


@pytest.mark.parametrize(
    ("kwargs", "trainable", "other"),
    [({}, 6, 0), ({"num_convs": 0}, 4, 0), ({"num_convs": 2, "norm": "group"}, 10, 0), ({"norm": "batch"}, 7, 2)],
)
def test_behaves_as_a_layer(kwargs, trainable, other):
    kwargs = {"num_anchors": 2, "filters": 8, **kwargs}
    check_layer(RPNHead, kwargs, LEVELS, SHAPES, trainable, other, dynamic_axes=(1, 2), mixed_dtypes="float32")


def test_anchors_follow_rows_then_columns_then_the_anchors_of_a_cell():
    head = RPNHead(num_anchors=2, filters=8)
    found = head(LEVELS)
    for name, levels in LEVELS.items():
        hidden = relu(block(levels[1], head.convs[0].conv))
        objectness, deltas = block(hidden, head.objectness), block(hidden, head.box_deltas)
        height, width = levels.shape[1:3]
        for y, x, a in ((0, 0, 0), (0, 1, 1), (2, 0, 1), (height - 1, width - 1, 1)):
            index = (y * width + x) * 2 + a
            np.testing.assert_allclose(found["objectness"][name][1, index], objectness[y, x, a], atol=1e-6)
            np.testing.assert_allclose(found["box_deltas"][name][1, index], deltas[y, x, 4 * a : 4 * a + 4], atol=1e-6)


def test_sizes_are_static_where_the_image_size_is():
    found = RPNHead(num_anchors=3, filters=8)({"P2": keras.Input((5, 7, 8))})
    assert found["objectness"]["P2"].shape == (None, 105)
    assert found["box_deltas"]["P2"].shape == (None, 105, 4)


def test_initial_weights_are_small_and_biases_zero():
    head = RPNHead(filters=64)
    head({"P2": np.zeros((1, 2, 2, 64), "f")})
    for layer in (head.convs[0].conv, head.objectness, head.box_deltas):
        assert 0.007 < np.std(layer.kernel) < 0.013  # normal, 0.01
        assert not np.any(layer.bias)


def test_compiles():
    head = RPNHead(filters=8)
    head(LEVELS)
    compiled = tf.function(lambda levels: head(levels, training=True), jit_compile=True)
    assert_close(compiled(LEVELS), head(LEVELS))
