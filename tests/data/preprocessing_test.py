import keras
import numpy as np
import pytest
import tensorflow as tf

from panet_tf.data.preprocessing import Preprocessing

LANDSCAPE_OR_PORTRAIT = Preprocessing(
    canvases=((64, 96), (96, 64)), short_side=48, long_side=90, mean=(0, 0, 0), std=(1, 1, 1)
)


def test_short_side_and_zero_padding():
    image = np.full((24, 32, 3), 7, "uint8")
    inputs = LANDSCAPE_OR_PORTRAIT(image, (64, 96))
    np.testing.assert_array_equal(inputs["image_sizes"], [48, 64])
    np.testing.assert_array_equal(inputs["scales"], [2, 2])
    np.testing.assert_array_equal(inputs["images"][:48, :64], np.full((48, 64, 3), 7.0))
    assert not inputs["images"][48:].numpy().any() and not inputs["images"][:, 64:].numpy().any()


def test_normalisation_comes_before_padding():
    inputs = Preprocessing(canvases=((32, 32),), short_side=None, mean=(1, 2, 3), std=(2, 2, 2))(
        np.zeros((8, 8, 3)), (32, 32)
    )
    np.testing.assert_allclose(inputs["images"][0, 0], [-0.5, -1, -1.5])
    np.testing.assert_array_equal(inputs["images"][31, 31], [0, 0, 0])


@pytest.mark.parametrize(
    ("size", "resized", "index"), [((24, 32), (48, 64), 0), ((40, 20), (90, 45), 1), ((20, 80), (23, 90), 0)]
)
def test_long_side_binds_and_each_image_finds_its_canvas(size, resized, index):
    np.testing.assert_array_equal(LANDSCAPE_OR_PORTRAIT.resized(size), resized)
    assert int(LANDSCAPE_OR_PORTRAIT.canvas_index(tf.constant(resized, tf.float32))) == index


def test_an_image_larger_than_every_canvas_is_shrunk_to_it():
    inputs = Preprocessing(canvases=((32, 64),), short_side=None, long_side=None)(
        np.zeros((128, 128, 3), "uint8"), (32, 64)
    )
    np.testing.assert_array_equal(inputs["image_sizes"], [32, 32])
    np.testing.assert_allclose(inputs["scales"], [0.25, 0.25])


def test_it_serialises_and_refuses_sides_off_the_stride():
    stored = keras.saving.serialize_keras_object(LANDSCAPE_OR_PORTRAIT)
    again = keras.saving.deserialize_keras_object(stored)
    assert again.get_config() == LANDSCAPE_OR_PORTRAIT.get_config()
    with pytest.raises(ValueError, match=r"multiples of 32.*\(800, 1333\)"):
        Preprocessing(canvases=((800, 1333),))


def test_sides_are_cut_off_where_asked():
    """600 x 480 at 800: torchvision gets 799, because float32 holds 800 / 480 too small."""
    sizes = {}
    for truncate in (False, True):
        prepare = Preprocessing(canvases=((1024, 1024),), truncate=truncate)
        image = np.zeros((600, 480, 3), "uint8")
        sizes[truncate] = prepare(image, (1024, 1024))["image_sizes"].numpy().tolist()
        assert prepare.resized((600, 480)).numpy().tolist() == sizes[truncate]
        assert Preprocessing.from_config(prepare.get_config()).truncate == truncate
    assert sizes == {False: [1000, 800], True: [999, 799]}
    prepare = Preprocessing(short_side=256, long_side=448, truncate=True)
    assert prepare.resized((240, 320)).numpy().tolist() == [256, 341]
