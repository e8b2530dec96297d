"""The ranking module as a layer and beside its formula, and what it learns of a scene."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from panet_tf.heads.spatial_ranking import SpatialRanking
from panet_tf.losses.semantic import semantic_loss
from panet_tf.ops.instance_ranking import class_canvas, instance_cells, ranking_labels, ranking_scores
from tests.layer_checks import check_layer

CANVAS = np.random.default_rng(0).integers(0, 2, (2, 9, 11, 3)).astype("float32")


@pytest.mark.parametrize(
    "kwargs, trainable",
    [({}, 8), ({"both_orders": False, "filters": 5}, 4), ({"kernel": "3x3"}, 2), ({"kernel": "1x1"}, 2)],
)
def test_behaves_as_a_layer(kwargs, trainable):
    check_layer(
        SpatialRanking,
        {"num_classes": 3, **kwargs},
        CANVAS,
        (2, 9, 11, 3),
        trainable,
        dynamic_axes=(1, 2),
        mixed_dtypes="float32",
    )


def test_two_orders_are_added_up():
    layer = SpatialRanking(num_classes=3)
    found = layer(CANVAS)
    shapes = [conv.conv.kernel.shape[:2] for conv in (*layer.first, *layer.second)]
    assert shapes == [(1, 7), (7, 1), (7, 1), (1, 7)]
    expected = 0
    for branch in (layer.first, layer.second):
        x = CANVAS
        for conv in branch:
            x = tf.nn.conv2d(x, conv.conv.kernel, 1, "SAME") + conv.conv.bias
        expected += x
    np.testing.assert_allclose(found, expected, atol=1e-5)  # float32


def test_it_learns_that_ties_lie_on_persons():
    """Persons are class 1, ties 2, tables 3: ties show on persons, persons on tables; 1x1 is enough for that."""
    boxes = np.float32([[[0, 0, 40, 24], [8, 8, 24, 16], [28, 0, 48, 64], [0, 40, 48, 64]]])
    classes = np.int32([[1, 2, 3, 1]])
    cells = instance_cells(np.ones((1, 4, 112, 112), "uint8"), boxes, classes > 0, size=(12, 16))
    panoptic = np.zeros((1, 12, 16), "int32")
    for slot in (2, 0, 3, 1):  # from the ground up
        panoptic[0][cells[0, slot].numpy() > 0] = slot + 1
    labels = ranking_labels(cells, classes, panoptic)
    layer = SpatialRanking(num_classes=3, kernel="1x1")
    canvas = class_canvas(cells, classes, 3)
    optimizer = keras.optimizers.Adam(0.1)
    for _ in range(60):
        with tf.GradientTape() as tape:
            total, count = semantic_loss(layer(canvas), labels)
            loss = total / count
        optimizer.apply(tape.gradient(loss, [w.value for w in layer.trainable_weights]), layer.trainable_weights)
    assert loss < 0.1 and count == np.sum(labels != 255) > 0
    person, tie, table, other = ranking_scores(tf.nn.softmax(layer(canvas)), cells, classes)[0].numpy()
    assert tie > person > table and other > table


def test_what_is_refused():
    with pytest.raises(ValueError, match="kernel"):
        SpatialRanking(num_classes=3, kernel="large")
    with pytest.raises(ValueError, match="odd"):
        SpatialRanking(num_classes=3, kernel="2x2")
    with pytest.raises(ValueError, match="train_on"):
        SpatialRanking(num_classes=3, train_on="both")
