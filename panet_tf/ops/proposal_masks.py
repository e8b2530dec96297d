"""From masks over windows to masks over the boxes of what they show."""

import math

import tensorflow as tf


def masks_in_boxes(logits, frames, *, threshold, size):
    """Cuts each mask down to the box of what lies above a threshold.

    A grid over a window holds an object in its middle; everything downstream takes a grid over a box. The box reaches
    to where the interpolated logits cross the threshold, and half a cell of the new grid further, so that the outermost
    cells are centred on the crossing and pasting cuts nothing off. The logits are interpolated linearly at the new
    cells' centres and shifted: a probability of 0.5, where everything downstream cuts, is `threshold`.

    Args:
        logits: float (..., g, g), at the centres of g x g cells over each frame.
        frames: float (..., 4), yxyx in pixels.
        threshold: float in (0, 1), probability above which a cell belongs to the object.
        size: int, cells a side of the result.

    Returns:
        dict of `boxes` float32 (..., 4), `masks` float32 (..., size, size), probabilities that are to be cut at 0.5,
        and `found` bool (...,), whether anything lies above the threshold. Where nothing does, all is 0.

    Example:
        >>> masks_in_boxes(logits, windows, threshold=0.2, size=112)["boxes"]
    """
    logits, frames = tf.cast(logits, tf.float32), tf.cast(frames, tf.float32)
    shifted = logits - math.log(threshold / (1.0 - threshold))
    grid = shifted.shape[-1]
    rows, columns = tf.reduce_max(shifted, axis=-1), tf.reduce_max(shifted, axis=-2)
    found = tf.reduce_any(rows >= 0.0, axis=-1)
    sides, matrices = [], []
    for axis, profile in enumerate((rows, columns)):
        low, high = _extent(profile)
        length = tf.maximum(high - low, 1e-3)  # of a mask that is one point
        step = length / (size - 1)
        places = low[..., None] + tf.range(size, dtype=tf.float32) * step[..., None]
        places = tf.clip_by_value(places, 0.0, grid - 1.0)
        matrices.append(tf.maximum(1.0 - tf.abs(places[..., None] - tf.range(grid, dtype=tf.float32)), 0.0))
        start, cell = frames[..., axis], (frames[..., axis + 2] - frames[..., axis]) / grid
        sides.append((start + (low + 0.5 - 0.5 * step) * cell, start + (low + length + 0.5 + 0.5 * step) * cell))
    boxes = tf.stack([sides[0][0], sides[1][0], sides[0][1], sides[1][1]], axis=-1)
    masks = tf.sigmoid(tf.matmul(tf.matmul(matrices[0], shifted), matrices[1], transpose_b=True))
    return {
        "boxes": tf.where(found[..., None], boxes, 0.0),
        "masks": tf.where(found[..., None, None], masks, 0.0),
        "found": found,
    }


def _extent(profile):
    """Where profiles (..., g) first and last cross 0, in cells counted from the centre of the first."""
    grid = profile.shape[-1]
    inside = tf.cast(profile >= 0.0, tf.int32)
    first = tf.argmax(inside, axis=-1, output_type=tf.int32)
    last = grid - 1 - tf.argmax(inside[..., ::-1], axis=-1, output_type=tf.int32)

    def crossing(index, beyond):
        value = tf.gather(profile, index, batch_dims=profile.shape.rank - 1)
        other = tf.gather(profile, tf.clip_by_value(beyond, 0, grid - 1), batch_dims=profile.shape.rank - 1)
        share = tf.clip_by_value(tf.math.divide_no_nan(value, value - other), 0.0, 1.0)
        return tf.where((beyond < 0) | (beyond >= grid), 0.5, share)

    low = tf.cast(first, tf.float32) - crossing(first, first - 1)
    return low, tf.cast(last, tf.float32) + crossing(last, last + 1)
