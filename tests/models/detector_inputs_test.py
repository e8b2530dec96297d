import numpy as np
import pytest
import tensorflow as tf

from panet_tf.models.detector_inputs import complete_inputs, without_padding_images

IMAGES = np.zeros((2, 64, 96, 3), "float32")


def test_images_alone_stand_for_their_whole_canvas_at_scale_one():
    inputs = complete_inputs(IMAGES)
    for key in ("image_sizes", "original_sizes"):
        np.testing.assert_array_equal(inputs[key], [[64, 96], [64, 96]])
    np.testing.assert_array_equal(inputs["scales"], np.ones((2, 2)))
    np.testing.assert_array_equal(inputs["offsets"], np.zeros((2, 2)))
    np.testing.assert_array_equal(inputs["image_ids"], [0, 1])
    assert "is_crowd" not in inputs


def test_what_is_given_stays_and_the_rest_follows_from_it():
    given = {"images": IMAGES, "image_sizes": np.float32([[60, 90], [64, 80]]), "scales": np.float32([[2, 2]] * 2)}
    given |= {"classes": np.int32([[1, 0], [2, 1]]), "file_name": "a"}
    inputs = complete_inputs(given)
    assert inputs["image_sizes"] is given["image_sizes"] and inputs["file_name"] == "a"
    np.testing.assert_array_equal(inputs["original_sizes"], [[30, 45], [32, 40]])
    np.testing.assert_array_equal(inputs["is_crowd"], np.zeros((2, 2), bool))


@pytest.mark.parametrize("shape", [(1, 60, 96, 3), (1, 64, 100, 3)])
def test_sides_off_the_stride_are_refused_and_the_way_out_is_named(shape):
    with pytest.raises(ValueError, match=r"multiples of 32 \(the stride of level 5\).*panet_tf.data.pad_to_stride"):
        complete_inputs(np.zeros(shape, "float32"))


def test_sides_may_be_unknown_while_tracing():
    @tf.function(input_signature=[tf.TensorSpec((None, None, None, 3))])
    def sizes(images):
        return complete_inputs(images)["image_sizes"]

    np.testing.assert_array_equal(sizes(IMAGES), [[64, 96], [64, 96]])


def test_padding_images_have_no_labels():
    labels = without_padding_images(tf.constant([[1, 0], [2, -1]]), {"image_ids": tf.constant([5, -1], tf.int64)})
    np.testing.assert_array_equal(labels, [[1, 0], [-1, -1]])
