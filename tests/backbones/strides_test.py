"""Strides of layers."""

import keras

from panet_tf.backbones.strides import level_of_layers


def test_levels_follow_strides_and_leave_margins_out():
    images = keras.Input((None, None, 3))
    x = keras.layers.Conv2D(2, 3, strides=2, padding="same", name="half")(images)
    x = keras.layers.ZeroPadding2D(1, name="margin")(x)
    x = keras.layers.Conv2D(2, 3, strides=2, name="quarter")(x)
    y = keras.layers.GlobalAveragePooling2D(name="vector")(x)
    levels = level_of_layers(keras.Model(images, y))
    assert {name: levels[name] for name in levels if not name.startswith("input")} == {"half": 1, "quarter": 2}


def test_models_of_one_size_are_measured_at_it():
    images = keras.Input((224, 224, 3))
    x = keras.layers.Conv2D(2, 3, strides=32, padding="same", name="c5")(images)
    assert level_of_layers(keras.Model(images, x))["c5"] == 5
