import numpy as np
import pytest
import tensorflow as tf

from panet_tf.models.detector_inputs import check_classes, complete_inputs, without_padding_images

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


@pytest.mark.parametrize("dtype", ["uint8", "int32", "bool"])
def test_pixels_are_no_normalised_images_and_the_way_out_is_named(dtype):
    for images in (IMAGES.astype(dtype), tf.constant(IMAGES.astype(dtype))):
        with pytest.raises(ValueError, match=f"normalised floats.*received {dtype}.*panet_tf.Predictor"):
            complete_inputs({"images": images})
    for dtype in ("float16", "bfloat16", "float64"):
        assert complete_inputs(tf.cast(IMAGES, dtype))["images"].dtype == dtype


@pytest.mark.parametrize("jit_compile", [None, False, True])
def test_classes_that_a_model_does_not_know_are_named(jit_compile):
    def check(classes):
        return check_classes(classes, [{"id": 5, "name": "cell"}])

    if jit_compile is not None:
        check = tf.function(check, jit_compile=jit_compile)
    np.testing.assert_array_equal(check(tf.constant([[0, 1]])), [[0, 1]])
    if jit_compile:
        return np.testing.assert_array_equal(check(tf.constant([[0, 3]])), [[0, 3]])  # XLA has no assertions
    for wrong in (3, -1):
        with pytest.raises(tf.errors.InvalidArgumentError, match=r"to 1, the number .* the model has \(cell\)"):
            check(tf.constant([[0, wrong]]))
