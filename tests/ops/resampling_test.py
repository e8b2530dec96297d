"""Resampling by matrices: against loops, and against TensorFlow where it does the same."""

import numpy as np
import pytest
import tensorflow as tf

from panet_tf.ops.resampling import resample, resampling_matrix, resize_masks

FILL = np.float32([5.0, -1.0, 2.0])


def slow_resample(image, starts, step, size, fill):
    """The definition, pixel by pixel: a triangle around each output centre, over all pixels of an endless image."""
    height, width, _ = image.shape
    reach = max(step, 1.0)
    out = np.zeros((*size, 3))
    for i in range(size[0]):
        for j in range(size[1]):
            total, value = 0.0, np.zeros(3)
            y, x = starts[0] + (i + 0.5) * step - 0.5, starts[1] + (j + 0.5) * step - 0.5
            for u in range(int(np.floor(y - reach)), int(np.ceil(y + reach)) + 1):
                for v in range(int(np.floor(x - reach)), int(np.ceil(x + reach)) + 1):
                    weight = max(1 - abs(y - u) / reach, 0) * max(1 - abs(x - v) / reach, 0)
                    inside = 0 <= u < height and 0 <= v < width
                    total, value = total + weight, value + weight * (image[u, v] if inside else fill)
            out[i, j] = value / total
    return out


@pytest.mark.parametrize(
    "start, step", [((0.0, 0.0), 1.0), ((-3.3, 2.1), 0.6), ((-4.0, -7.5), 1.7), ((1.2, -2.0), 3.0)]
)
def test_windows_are_what_the_definition_says(start, step):
    image = np.random.default_rng(0).normal(size=(7, 9, 3)).astype("float32")
    ours = resample(image[None], start, step, (6, 5), FILL)[0]
    np.testing.assert_allclose(ours, slow_resample(image, start, step, (6, 5), FILL), atol=2e-5)  # float32 sums


@pytest.mark.parametrize("size", [(16, 20), (4, 5), (6, 7)])
def test_whole_images_are_resized_as_tensorflow_does(size):
    image = np.random.default_rng(1).normal(size=(8, 10, 3)).astype("float32")
    rows = resampling_matrix(0.0, 8 / size[0], size[0], 8, edge="extend")
    columns = resampling_matrix(0.0, 10 / size[1], size[1], 10, edge="extend")
    ours = tf.einsum("ih,hwc,jw->ijc", rows, image, columns).numpy()
    theirs = tf.image.resize(image, size, antialias=True).numpy()
    # Where shrinking widens the kernel, TensorFlow renormalises at the border and does not extend the image.
    inner = (slice(2, -2), slice(2, -2)) if size[0] < 8 else (slice(None), slice(None))
    np.testing.assert_allclose(ours[inner], theirs[inner], atol=1e-5)


def test_masks_keep_their_place():
    masks = np.zeros((2, 4, 4), "float32")
    masks[:, :2] = 1.0
    larger = resize_masks(masks, 8).numpy()
    assert larger.shape == (2, 8, 8)
    np.testing.assert_allclose(larger[0, :, 0], [1, 1, 1, 0.75, 0.25, 0, 0, 0])
    np.testing.assert_allclose(larger, tf.image.resize(masks[..., None], (8, 8))[..., 0], atol=1e-6)
    with pytest.raises(ValueError, match="edge must be"):
        resampling_matrix(0.0, 1.0, 2, 2, edge="wrap")


@pytest.mark.parametrize("eager", [True, False])
def test_products_of_many_shapes_and_their_gradients_do_not_mix(eager):
    """A kernel of TensorFlow that broadcasts a matrix confuses these, and crashes in the gradient."""
    rng = np.random.default_rng(2)
    sizes = (10, 20, 40, 80)
    masks = [rng.normal(size=(4, 1, side, side)).astype("float32") for side in sizes]
    upstream = [rng.normal(size=(4, 1, 2 * side, 2 * side)).astype("float32") for side in sizes]

    def step(masks):
        with tf.GradientTape() as tape:
            tape.watch(masks)
            larger = [resize_masks(x, 2 * x.shape[-1]) for x in masks]
            loss = tf.add_n([tf.reduce_sum(y * g) for y, g in zip(larger, upstream)])
        return larger, tape.gradient(loss, masks)

    larger, gradients = (step if eager else tf.function(step))([tf.constant(x) for x in masks])
    for side, x, g, y, gradient in zip(sizes, masks, upstream, larger, gradients):
        matrix = resampling_matrix(0.0, 0.5, 2 * side, side, edge="extend").numpy()
        np.testing.assert_allclose(y, matrix @ x @ matrix.T, atol=1e-5)
        np.testing.assert_allclose(gradient, matrix.T @ g @ matrix, atol=1e-5)


def test_images_of_many_sizes_do_not_mix():
    rng = np.random.default_rng(3)
    for side, step in ((64, 0.5), (48, 1.5), (80, 0.7), (33, 1.0)):
        images = rng.normal(size=(2, 3, side, side, 3)).astype("float32")
        ours = resample(images, (-2.0, 1.0), step, (40, 30), FILL)
        rows, columns = (resampling_matrix(at, step, n, side).numpy() for at, n in ((-2.0, 40), (1.0, 30)))
        theirs = np.einsum("oh,abhwc,pw->abopc", rows, images - FILL, columns) + FILL
        np.testing.assert_allclose(ours, theirs, atol=2e-5)
