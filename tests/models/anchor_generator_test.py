import numpy as np
import pytest
import tensorflow as tf

from panet_tf.models.anchor_generator import AnchorGenerator, spatial_size
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


@pytest.mark.parametrize("traced", [False, True])
def test_ratio_strides_are_whole_quotients_of_the_image(traced):
    """A level that is ceil-sized, as P6 of 256 x 352 is, has a stride below 2^n, of its own for each axis."""
    generator = AnchorGenerator(sizes=(2,), ratios=(1.0,), offset=0.0, stride="ratio")
    levels = {"P6": tf.zeros((1, 4, 6, 8))}
    if traced:
        specs = ({"P6": tf.TensorSpec((None, None, None, 8))}, tf.TensorSpec((None, None, None, 3)))
        call = tf.function(lambda x, images: generator(x, image_size=spatial_size(images)), input_signature=specs)
        anchors = call(levels, tf.zeros((1, 256, 352, 3)))["P6"]
    else:
        anchors = generator(levels, image_size=(256, 352))["P6"]
    centres = np.reshape(anchors, (4, 6, 2, 2)).mean(2)
    np.testing.assert_array_equal(centres[:, 0, 0], [0, 64, 128, 192])
    np.testing.assert_array_equal(centres[0, :, 1], [0, 58, 116, 174, 232, 290])


def test_one_side_unknown_while_tracing():
    """Canvases of one height and several widths are traced so."""
    generator = AnchorGenerator(sizes=(8, 16))
    specs = [tf.TensorSpec((1, 8, None, 4)), tf.TensorSpec((1, 4, None, 4)), tf.TensorSpec((1, 32, None, 3))]

    @tf.function(input_signature=specs)
    def traced(fine, coarse, images):
        return generator({"P2": fine, "P3": coarse}, image_size=spatial_size(images))

    for level, anchors in traced(*LEVELS.values(), tf.zeros((1, 32, 64, 3))).items():
        np.testing.assert_array_equal(anchors, generator(LEVELS)[level])


def test_ratio_strides_need_the_images_size():
    with pytest.raises(ValueError, match="needs image_size"):
        AnchorGenerator(sizes=(8, 16), stride="ratio")(LEVELS)
    with pytest.raises(ValueError, match="received 'padded'"):
        AnchorGenerator(stride="padded")


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
