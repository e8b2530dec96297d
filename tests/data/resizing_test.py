import numpy as np
import pytest
import tensorflow as tf

from panet_tf.data.resizing import choose_canvas, plan_window, resize_sample, resize_scale, rounded

CANVASES = ((800, 1344), (1344, 800))


@pytest.mark.parametrize(
    ("size", "short", "long", "expected", "canvas"),
    [
        ((480, 640), 800, 1333, (800, 1067), 0),
        ((640, 480), 800, 1333, (1067, 800), 1),
        ((427, 640), 800, 1333, (800, 1199), 0),
        ((300, 1000), 800, 1333, (400, 1333), 0),  # the long side binds
        ((500, 500), 800, 1333, (800, 800), 0),  # both hold it: the first
        ((1600, 1600), 800, 1333, (800, 800), 0),
        ((100, 200), None, 1333, (100, 200), 0),
        ((100, 200), None, 100, (50, 100), 0),
        ((3, 2000), 800, 1000, (2, 1000), 0),
        ((1, 4000), 800, 1000, (1, 1000), 0),  # never less than a pixel
    ],
)
def test_sizes_and_canvases(size, short, long, expected, canvas):
    size = tf.constant(size, tf.float32)
    scale = resize_scale(size, short, long)
    index = int(choose_canvas(rounded(size * scale), CANVASES))
    window, target = plan_window(size, tf.zeros(3), scale, tf.constant(CANVASES[index], tf.float32))
    assert index == canvas
    assert tuple(target.numpy()) == expected
    np.testing.assert_array_equal(window, [0, 0, *size])


@pytest.mark.parametrize(
    ("size", "canvases", "index"),
    [
        ((100, 100), ((256, 256), (128, 128), (512, 512)), 1),
        ((200, 100), ((128, 256), (256, 128), (256, 256)), 1),
        ((300, 200), ((128, 256), (256, 128)), 1),  # none holds it: portrait shrinks it to 0.64, landscape to 0.43
        ((300, 300), ((128, 256), (256, 128), (256, 256)), 2),
    ],
)
def test_the_smallest_canvas_that_holds_an_image(size, canvases, index):
    assert int(choose_canvas(tf.constant(size, tf.float32), canvases)) == index


@pytest.mark.parametrize("size", [(1500, 2000), (801, 1345), (7, 5000), (2999, 1001)])
def test_an_image_that_no_canvas_holds_is_shrunk_to_fit(size):
    size = tf.constant(size, tf.float32)
    canvas = tf.constant((800.0, 1344.0))
    _, target = plan_window(size, tf.zeros(3), tf.constant(1.0), canvas)
    assert (target.numpy() <= canvas.numpy()).all() and (target.numpy() == canvas.numpy()).any()
    ratio = target.numpy() / size.numpy()
    assert abs(ratio[0] - ratio[1]) <= 1 / size.numpy().min()


def test_jitter_cuts_what_exceeds_the_canvas_and_pads_what_does_not():
    size, canvas = tf.constant((480.0, 640.0)), tf.constant((512.0, 640.0))
    rng = np.random.default_rng(0)
    factors = []
    for _ in range(200):
        noise = rng.random(3).astype(np.float32)
        window, target = plan_window(size, noise, tf.constant(1.0), canvas, jitter=(0.5, 2.0))
        top, left, height, width = window.numpy()
        factor = 0.5 + noise[0] * 1.5
        factors.append(factor)
        np.testing.assert_allclose(target.numpy() / (height, width), factor, rtol=0.01)
        assert 0 <= top <= 480 - height and 0 <= left <= 640 - width
        assert (target.numpy() <= canvas.numpy()).all()
        if factor <= 1:
            assert (height, width) == (480, 640)
        if factor > 1.1:
            np.testing.assert_array_equal(target, canvas)
    assert min(factors) < 0.6 and max(factors) > 1.9


@pytest.mark.parametrize("antialias", [False, True])
def test_boxes_and_keypoints_follow_the_rounded_size(antialias):
    image = np.full((30, 41, 3), 7, np.uint8)
    sample = {
        "image": image,
        "boxes": np.array([[0, 0, 30, 41], [3, 4, 5, 6]], np.float32),
        "keypoints": np.array([[[30, 41, 2]]], np.float32),
    }
    resized = resize_sample(sample, tf.constant((20, 27)), antialias)
    assert resized["image"].dtype == tf.float32 and resized["image"].shape == (20, 27, 3)
    np.testing.assert_allclose(resized["image"], 7.0, rtol=1e-5)
    np.testing.assert_allclose(resized["scale"], (20 / 30, 27 / 41), rtol=1e-6)
    np.testing.assert_allclose(resized["boxes"][0], (0, 0, 20, 27), rtol=1e-6)
    np.testing.assert_allclose(resized["keypoints"][0, 0], (20, 27, 2), rtol=1e-6)
