import keras
import numpy as np
import pytest
import tensorflow as tf

from panet_tf.losses.focal import cross_entropy, focal_loss, focal_loss_star
from panet_tf.models.class_loss import ClassLoss

LOGITS = tf.constant([[-3.0, 0.5], [4.0, -50.0]])
TARGETS = tf.constant([[True, False], [False, True]])


@pytest.mark.parametrize(
    ("arguments", "function", "given"),
    [
        ({}, focal_loss, {"gamma": 2.0, "alpha": 0.25}),
        ({"form": "cross_entropy"}, cross_entropy, {"alpha": None}),
        ({"form": "focal_star"}, focal_loss_star, {"gamma": 2.0, "beta": 1.0, "alpha": None}),
        ({"form": "focal", "alpha": None}, focal_loss, {"gamma": 2.0, "alpha": None}),
        ({"gamma": 0.5, "alpha": 0.5, "min_probability": 0.01}, focal_loss, None),
        ({"form": "focal_star", "gamma": 4.0, "beta": 0.0, "alpha": None}, focal_loss_star, None),
        ({"form": "cross_entropy", "alpha": 0.75}, cross_entropy, None),
    ],
)
def test_is_the_function_of_its_form_after_its_config_too(arguments, function, given):
    given = given or {name: value for name, value in arguments.items() if name != "form"}
    part = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(ClassLoss(**arguments)))
    np.testing.assert_array_equal(part(LOGITS, TARGETS), function(LOGITS, TARGETS, **given))


def test_is_float32_under_bfloat16_and_refuses_unknown_forms():
    assert ClassLoss(dtype="mixed_bfloat16")(LOGITS, TARGETS).dtype == tf.float32
    with pytest.raises(ValueError, match="form must be one of .*'focal_star'.*received 'hinge'"):
        ClassLoss(form="hinge")
    with pytest.raises(ValueError, match="alpha must be .*received 'best'"):
        ClassLoss(alpha="best")
