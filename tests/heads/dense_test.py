import keras
import numpy as np
import pytest
import tensorflow as tf

from panet_tf.heads.dense import DenseHead
from tests.layer_checks import assert_close, check_layer, randomize
from tests.necks.slow_conv import block, relu

RNG = np.random.default_rng(0)
LEVELS = {
    "P3": RNG.standard_normal((2, 5, 7, 6)).astype("f"),
    "P4": RNG.standard_normal((2, 3, 4, 6)).astype("f"),
}
SHAPES = {
    "class_logits": {"P3": (2, 70, 3), "P4": (2, 24, 3)},
    "box_deltas": {"P3": (2, 70, 4), "P4": (2, 24, 4)},
}
SMALL = {"num_classes": 3, "num_anchors": 2, "filters": 8}


@pytest.mark.parametrize(
    ("kwargs", "trainable", "other"),
    [({}, 20, 0), ({"num_convs": 2, "norm": "group"}, 16, 0), ({"num_convs": 1, "norm": "batch"}, 14, 8)],
)
def test_behaves_as_a_layer(kwargs, trainable, other):
    check_layer(
        DenseHead, {**SMALL, **kwargs}, LEVELS, SHAPES, trainable, other, dynamic_axes=(1, 2), mixed_dtypes="float32"
    )


def test_two_subnets_give_rows_then_columns_then_the_anchors_of_a_cell():
    head = DenseHead(**SMALL, num_convs=2)
    head(LEVELS)
    randomize(head)
    found = head(LEVELS)
    for name, levels in LEVELS.items():
        of_class = of_box = levels[1]
        for class_conv, box_conv in zip(head.class_convs, head.box_convs):
            of_class, of_box = relu(block(of_class, class_conv.conv)), relu(block(of_box, box_conv.conv))
        logits, deltas = block(of_class, head.class_logits), block(of_box, head.box_deltas)
        height, width = levels.shape[1:3]
        for y, x, a in ((0, 0, 0), (0, 1, 1), (2, 0, 1), (height - 1, width - 1, 1)):
            index = (y * width + x) * 2 + a
            np.testing.assert_allclose(
                found["class_logits"][name][1, index], logits[y, x, 3 * a : 3 * a + 3], rtol=1e-4, atol=1e-5
            )
            np.testing.assert_allclose(
                found["box_deltas"][name][1, index], deltas[y, x, 4 * a : 4 * a + 4], rtol=1e-4, atol=1e-5
            )


def test_classes_start_at_the_prior_and_boxes_at_the_anchors():
    head = DenseHead(num_classes=3, filters=64, prior=0.02)
    found = head({"P3": np.zeros((1, 2, 2, 64), "f")})
    np.testing.assert_allclose(tf.sigmoid(found["class_logits"]["P3"]), np.full((1, 36, 3), 0.02), rtol=1e-5)
    assert not np.any(found["box_deltas"]["P3"])
    for layer in (head.class_convs[0].conv, head.box_convs[3].conv, head.class_logits, head.box_deltas):
        assert 0.007 < np.std(layer.kernel) < 0.013  # normal, 0.01
    with pytest.raises(ValueError, match="prior must be a probability.*received 0"):
        DenseHead(num_classes=3, prior=0)


def test_sizes_are_static_where_the_image_size_is_and_it_compiles():
    head = DenseHead(**SMALL, num_convs=1)
    found = head({"P3": keras.Input((5, 7, 6))})
    assert found["class_logits"]["P3"].shape == (None, 70, 3) and found["box_deltas"]["P3"].shape == (None, 70, 4)
    assert_close(tf.function(lambda levels: head(levels), jit_compile=True)(LEVELS), head(LEVELS))


def test_batch_norms_are_each_level_s_own_and_their_convolutions_shared():
    head = DenseHead(**SMALL, num_convs=2, norm="batch")
    levels = {"P3": LEVELS["P3"], "P4": 5 * LEVELS["P4"] + 3}  # as levels differ
    head(levels)
    randomize(head)
    for norm in (norm for norms in (head.class_norms, head.box_norms) for norm in norms.values()):
        norm.momentum = 0.0  # one step's statistics are all
    learned = head(levels, training=True)
    assert_close(head(levels), learned)  # what is used is what was trained
    for name in levels:
        alone = head({name: levels[name]})
        np.testing.assert_array_equal(alone["box_deltas"][name], head(levels)["box_deltas"][name])
    # One flat dict: Keras 3.13 leaves what lies in nested ones out of files.
    assert len({id(norm) for norm in head.class_norms.values() if isinstance(norm, keras.layers.Layer)}) == 4
    with pytest.raises(ValueError, match=r"built for \('P3', 'P4'\), received P5"):
        head({"P5": LEVELS["P4"]})
