import numpy as np
import pytest
import tensorflow as tf

from panet_tf.heads.mask_mlp import MLPMaskHead
from tests.layer_checks import assert_close, check_layer

X = np.random.default_rng(0).standard_normal((2, 3, 4, 4, 5)).astype("float32")
SMALL = {"num_classes": 3, "units": (6, 7), "mask_size": 5}


def test_behaves_as_a_layer():
    layer = check_layer(MLPMaskHead, SMALL, (X,), (2, 3, 5, 5, 3), 6, mixed_dtypes="float32")
    flat, weights = X.reshape(6, -1), [np.asarray(w) for w in layer.weights]
    x = np.maximum(np.maximum(flat @ weights[0] + weights[1], 0) @ weights[2] + weights[3], 0)
    assert_close(layer((X,)), (x @ weights[4] + weights[5]).reshape(2, 3, 5, 5, 3))


def test_levels_have_a_first_layer_each():
    check_layer(
        MLPMaskHead, {**SMALL, "norm": "group", "units": (32,)}, (X, X), (2, 3, 5, 5, 3), 10, mixed_dtypes="float32"
    )


@pytest.mark.parametrize("agnostic", [False, True])
def test_the_wanted_class_alone(agnostic):
    classes = tf.constant([[1, 3, 2], [2, 2, 0]])
    head = MLPMaskHead(class_agnostic=agnostic, **SMALL)
    every = head((X,)).numpy()
    chosen = np.zeros((2, 3), int) if agnostic else np.maximum(classes.numpy() - 1, 0)
    expected = np.take_along_axis(every, chosen[..., None, None, None], axis=-1)[..., 0]
    np.testing.assert_allclose(head((X,), classes=classes), expected)
    head = MLPMaskHead(class_agnostic=agnostic, activation="softmax", **SMALL)
    both = head((X,), classes=classes, with_background=True)
    assert both.shape == (2, 3, 5, 5, 2) and head((X,)).shape == (2, 3, 5, 5, 1 if agnostic else 3)
    np.testing.assert_allclose(both[..., 1], head((X,), classes=classes))


def test_sizes_of_the_table():
    # 14x14x256 -> 1024 -> 1024 -> 80 masks of 28x28: weights and a bias each.
    head = MLPMaskHead(num_classes=8)  # a tenth of the classes
    head.build([(None, 1, 14, 14, 2)])
    assert head.count_params() == (14 * 14 * 2 + 1) * 1024 + 1025 * 1024 + 1025 * 8 * 784


def test_wrong_options_are_refused():
    with pytest.raises(ValueError, match="needs a hidden layer"):
        MLPMaskHead(num_classes=3, units=())
    with pytest.raises(ValueError, match="activation must be"):
        MLPMaskHead(num_classes=3, activation="relu")
