import numpy as np
import pytest
import tensorflow as tf

from panet_tf.data.pad import pad_to_stride


@pytest.mark.parametrize(
    ("shape", "stride", "padded"),
    [
        ((800, 1333, 3), 32, (800, 1344, 3)),
        ((2, 33, 64, 3), 32, (2, 64, 64, 3)),
        ((1, 1, 1), 32, (32, 32, 1)),
        ((64, 96, 3), 32, (64, 96, 3)),
        ((100, 129, 3), 128, (128, 256, 3)),
    ],
)
def test_zeros_at_the_bottom_and_the_right(shape, stride, padded):
    image = np.random.default_rng(0).uniform(1, 2, shape).astype(np.float32)
    result = pad_to_stride(image, stride)
    assert result.shape == padded
    height, width = shape[-3:-1]
    np.testing.assert_array_equal(result[..., :height, :width, :], image)
    assert np.isclose(tf.reduce_sum(result), image.sum(), rtol=1e-4)


def test_sides_that_are_not_known_when_traced():
    traced = tf.function(pad_to_stride, input_signature=[tf.TensorSpec((None, 40, 3))])
    assert traced(np.zeros((50, 40, 3), np.float32)).shape == (64, 64, 3)
    assert traced.get_concrete_function().output_shapes == (None, 64, 3)


def test_no_image():
    with pytest.raises(ValueError, match="rank 3"):
        pad_to_stride(np.zeros((3, 4)))
