"""How large an image becomes, on which canvas, and the resizing itself."""

import tensorflow as tf


def resize_scale(size, short_side=None, long_side=None):
    """Factor that brings the short side of an image to a length, unless its long side then exceeds another.

    Args:
        size: float32 tensor (2,), height and width.
        short_side: None (no resizing) or number or scalar tensor, pixels.
        long_side: None (no bound) or number, pixels.

    Returns:
        float32 scalar.
    """
    scale = tf.constant(1.0)
    if short_side is not None:
        scale = tf.cast(short_side, tf.float32) / tf.reduce_min(size)
    if long_side is not None:
        scale = tf.minimum(scale, tf.cast(long_side, tf.float32) / tf.reduce_max(size))
    return scale


def rounded(size):
    """float32 tensor of sizes to the nearest whole pixels, at least one, halves upwards."""
    return tf.maximum(tf.floor(size + 0.5), 1.0)


def scaled_size(size, scale, truncate=False):
    """Size of an image times a factor, in whole pixels.

    Args:
        size: float32 tensor (2,), height and width.
        scale: float32 scalar.
        truncate: bool, fractions are cut off instead of rounded, as torchvision does: in float64, where a factor that
            float32 holds too small (800 / 480 is one) makes a side one pixel shorter than asked for. Defaults to False.

    Returns:
        float32 tensor (2,), whole pixels, at least one.
    """
    if not truncate:
        return rounded(size * scale)
    exact = tf.floor(tf.cast(size, tf.float64) * tf.cast(scale, tf.float64))
    return tf.maximum(tf.cast(exact, tf.float32), 1.0)


def choose_canvas(size, canvases):
    """Index of the smallest canvas that holds an image; of the one that shrinks it least where none does.

    Args:
        size: float32 tensor (2,), whole height and width.
        canvases: tuple of (height, width).

    Returns:
        int64 scalar. Canvases of equal area: the first.
    """
    canvases = tf.constant(canvases, tf.float32)
    fit = tf.minimum(tf.reduce_min(canvases / size, axis=-1), 1.0)
    area = tf.reduce_prod(canvases, axis=-1)
    return tf.argmin(tf.where(fit >= tf.reduce_max(fit) - 1e-6, area, float("inf")))


def plan_window(size, noise, scale, canvas, jitter=None, truncate=False):
    """What part of an image is shown, and how large, on a canvas.

    The whole image at `scale`, or less where the canvas does not hold it. With `jitter` (large-scale jitter, Ghiasi
    et al., "Simple Copy-Paste", section 3) that scale is multiplied by a random factor, and an image that now exceeds
    the canvas is cut at random: the window is cut out of the original image, so that nothing is enlarged only to be
    thrown away.

    Args:
        size: float32 tensor (2,), height and width of the image.
        noise: float32 tensor (3,) in [0, 1): the factor, and the window's place.
        scale: float32 scalar of `resize_scale`.
        canvas: float32 tensor (2,), height and width.
        jitter: None or (low, high), the range of the factor.
        truncate: bool, as in `scaled_size`, without `jitter` only. Defaults to False.

    Returns:
        Pair of the window, int32 (4,) top, left, height, width in the image, and its size on the canvas, int32 (2,).
    """
    scale *= tf.minimum(tf.reduce_min(canvas / scaled_size(size, scale, truncate)), 1.0)
    if jitter is None:
        window = tf.concat([tf.zeros(2), size], axis=0)
        return tf.cast(window, tf.int32), tf.cast(tf.minimum(scaled_size(size, scale, truncate), canvas), tf.int32)
    low, high = jitter
    scale *= low + noise[0] * (high - low)
    target = tf.minimum(rounded(size * scale), canvas)
    cut = tf.where(target < rounded(size * scale), tf.minimum(rounded(target / scale), size), size)
    corner = tf.minimum(tf.floor(noise[1:3] * (size - cut + 1.0)), size - cut)
    return tf.cast(tf.concat([corner, cut], axis=0), tf.int32), tf.cast(target, tf.int32)


def resize_sample(sample, size, antialias=False):
    """Resizes the image of a sample (bilinear, half-pixel centres) and scales its boxes and keypoints.

    Masks cover their boxes whatever the size of the image, and stay as they are.

    Args:
        sample: dict with `image` (h, w, 3), `boxes` (n, 4), optional `keypoints` (n, J, 3).
        size: int32 tensor (2,), height and width.
        antialias: bool: low-pass before shrinking. False is what torchvision and detectron2 did to the images their
            weights were trained on. Defaults to False.

    Returns:
        A new dict, with a float32 image, and `scale` float32 (2,), new / old of each axis after rounding.
    """
    scale = tf.cast(size, tf.float32) / tf.cast(tf.shape(sample["image"])[:2], tf.float32)
    resized = {
        **sample,
        "image": tf.image.resize(tf.cast(sample["image"], tf.float32), size, antialias=antialias),
        "boxes": sample["boxes"] * tf.tile(scale, (2,)),
        "scale": scale,
    }
    if "proposals" in sample:
        resized["proposals"] = sample["proposals"] * tf.tile(scale, (2,))
    if "keypoints" in sample:
        resized["keypoints"] = sample["keypoints"] * tf.concat([scale, (1.0,)], axis=0)
    return resized
