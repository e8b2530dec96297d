import numpy as np
import pytest
import tensorflow as tf

from panet_tf.models.anchor_generator import AnchorGenerator
from tests.layer_checks import check_layer

LEVELS = {"P2": np.zeros((1, 8, 16, 4), "float32"), "P3": np.zeros((1, 4, 8, 4), "float32")}


def test_anchors_sit_in_the_middle_of_their_cells():
    anchors = AnchorGenerator(sizes=(8, 16), ratios=(1.0,))(LEVELS)
    assert [tuple(level.shape) for level in anchors.values()] == [(128, 4), (32, 4)]
    np.testing.assert_allclose(anchors["P2"][0], [-2, -2, 6, 6])  # centre (2, 2) of a cell of stride 4
    np.testing.assert_allclose(anchors["P2"][17], [2, 2, 10, 10])  # second row, second column
    np.testing.assert_allclose(anchors["P3"][0], [-4, -4, 12, 12])


def test_several_sizes_ratios_and_octaves_multiply():
    generator = AnchorGenerator(sizes=((8, 12), (16, 24)), ratios=(0.5, 1, 2), scales_per_octave=3)
    assert generator.num_anchors == 18
    assert generator(LEVELS)["P3"].shape == (4 * 8 * 18, 4)


def test_sizes_unknown_while_tracing_give_the_same_anchors():
    generator = AnchorGenerator(sizes=(8, 16))
    specs = {level: tf.TensorSpec((None, None, None, 4)) for level in LEVELS}
    traced = tf.function(lambda levels: generator(levels), input_signature=[specs])(LEVELS)
    for level, anchors in generator(LEVELS).items():
        np.testing.assert_array_equal(traced[level], anchors)


def test_layer_contract():
    check_layer(
        AnchorGenerator,
        {"sizes": (8, 16)},
        LEVELS,
        {"P2": (384, 4), "P3": (96, 4)},
        num_trainable=0,
        mixed_dtypes="float32",
        mixed_tolerance=0.0,
    )


def test_sizes_must_fit_the_levels():
    with pytest.raises(ValueError, match="one entry a level"):
        AnchorGenerator(sizes=(8, 16, 32))(LEVELS)
    with pytest.raises(ValueError, match="as many anchor sizes"):
        AnchorGenerator(sizes=((8, 12), 16))
