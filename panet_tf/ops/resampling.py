"""Resampling of images and maps by two matrix products: any window, any scale, exact at half pixels.

Each product is one of two plain matrices. TensorFlow 2.21's oneDNN kernel of products that broadcast one matrix over a
batch, by `matmul` or by the ellipsis of an `einsum`, confuses those of different shapes and writes beyond its memory.
"""

import tensorflow as tf


def resampling_matrix(start, step, outputs, inputs, *, edge="cut"):
    """One axis of a linear resampling as a matrix; an image becomes `rows @ image @ transpose(columns)`.

    Output cell i is centred at `start + (i + 0.5) * step`, in input pixels of which j covers [j, j + 1). Where the
    step is above 1 the linear kernel is as wide as the step, so that shrinking does not alias (the rule of PIL, and of
    `tf.image.resize` with `antialias`).

    Args:
        start: float or float32 scalar, where the first output cell begins.
        step: float or float32 scalar, above 0, input pixels of an output cell.
        outputs, inputs: int or int32 scalar tensor, numbers of cells.
        edge: `"cut"`: what lies outside of the input has weight 0, so a row may sum to less than 1, and what is missing
            is the share of the outside; `"extend"`: the first and last input cell go on for ever. Defaults to `"cut"`.

    Returns:
        float32 (outputs, inputs).

    Raises:
        ValueError: for another `edge`.

    Example:
        >>> resampling_matrix(0.0, 2.0, 2, 4)  # halves four pixels
    """
    if edge not in ("cut", "extend"):
        raise ValueError(f'edge must be "cut" or "extend", received {edge!r}.')
    start, step = tf.cast(start, tf.float32), tf.cast(step, tf.float32)
    width = tf.maximum(step, 1.0)
    position = start + (tf.cast(tf.range(outputs), tf.float32) + 0.5) * step - 0.5  # in indices of input cells
    cells = tf.cast(tf.range(inputs), tf.float32)
    if edge == "extend":
        position = tf.clip_by_value(position, 0.0, tf.cast(inputs, tf.float32) - 1.0)
    weights = tf.maximum(1.0 - tf.abs(position[:, None] - cells) / width, 0.0)
    if edge == "extend":
        return weights / tf.reduce_sum(weights, axis=1, keepdims=True)
    # The sum over all whole numbers, of which the input has only some: two arithmetic series.
    below = position - tf.floor(position)
    total = _series(below, width) + _series(1.0 - below, width)
    return weights / total[:, None]


def _series(distance, width):
    """Sum of 1 - (distance + k) / width over k = 0, 1, ... while it is above zero."""
    last = tf.floor(width - distance)
    terms = tf.maximum(last + 1.0, 0.0)
    return terms * (1.0 - distance / width) - 0.5 * terms * last / width


def resample(images, starts, step, size, fill):
    """Windows of images at another scale; what lies outside of the images has one colour.

    Args:
        images: float (..., H, W, C).
        starts: two floats or scalars, y and x where the window begins, in pixels of the images.
        step: float or scalar, pixels of the images to a pixel of the window: 1 / scale.
        size: two ints or int32 scalars, height and width of the window in its own pixels.
        fill: float (C,), the colour outside.

    Returns:
        float32 (..., height, width, C).

    Example:
        >>> patch = resample(image, (-8.0, 4.0), 2.0, (192, 192), (127.5, 127.5, 127.5))
    """
    fill = tf.cast(fill, tf.float32)
    images = tf.cast(images, tf.float32) - fill
    height, width = _sides(images)
    rows = resampling_matrix(starts[0], step, size[0], height)
    columns = resampling_matrix(starts[1], step, size[1], width)
    leading, known = tf.shape(images)[:-3], images.shape[:-3]
    images = tf.reshape(images, (-1, height, width, images.shape[-1]))
    tall = tf.einsum("oh,nhwc->nowc", rows, images)
    window = tf.einsum("pw,nowc->nopc", columns, tall)
    shape = tf.concat([leading, tf.shape(window)[1:]], axis=0)
    return tf.ensure_shape(tf.reshape(window + fill, shape), (*known, *window.shape[1:]))


def resize_masks(masks, size):
    """Square maps at another size, half-pixel centres, the border cells going on for ever.

    Args:
        masks: float (..., m, m).
        size: int, cells a side of the result; no smaller than m, where nothing can alias, or any.

    Returns:
        float (..., size, size), in the dtype of `masks`.
    """
    cells = masks.shape[-1]
    if cells == size:
        return masks
    matrix = tf.cast(resampling_matrix(0.0, cells / size, size, cells, edge="extend"), masks.dtype)
    wide = _times(masks, matrix)
    return tf.linalg.matrix_transpose(_times(tf.linalg.matrix_transpose(wide), matrix))


def _times(maps, matrix):
    """Float (..., s): the last axis of maps (..., m) by a matrix (s, m)."""
    product = tf.matmul(tf.reshape(maps, (-1, maps.shape[-1])), matrix, transpose_b=True)
    shape = tf.concat([tf.shape(maps)[:-1], [matrix.shape[0]]], axis=0)
    return tf.ensure_shape(tf.reshape(product, shape), (*maps.shape[:-1], matrix.shape[0]))


def _sides(images):
    shape = tf.shape(images)
    return tuple(images.shape[axis] or shape[axis] for axis in (-3, -2))
