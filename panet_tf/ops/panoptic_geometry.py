"""Maps of segments on the network's canvas, at the size of the original image: by the nearest pixel."""

import numpy as np
import tensorflow as tf

# Scales come as float32, whose error moves a centre at 10,000 pixels by less than this. A centre that lies on the
# border of two network pixels, as every one does at scale 2, then falls to the same side everywhere.
_TOLERANCE = 1e-3


def to_original_size(maps, *, size, scale=(1.0, 1.0), offset=(0.0, 0.0), shown=None, fill=0):
    """Brings one map of the network's canvas to the pixels of its original image.

    The centre of each original pixel, (i + 0.5 - offset) * scale on the canvas, takes the value of the network pixel
    that it lies in. So no value is made up, and ids stay ids.

    NumPy arrays and tensors follow the same arithmetic (float64) and agree in every pixel; the size of a tensor's
    result is known when the graph runs.

    Args:
        maps: (H, W, ...), on the network's canvas: segment numbers, classes.
        size: (2,), height and width of the original image; an array, or a tensor in a graph.
        scale: (2,), network pixels per original pixel, y and x. Defaults to 1.
        offset: (2,), place of the window that the network saw, in original pixels. Defaults to 0.
        shown: (2,), height and width of the canvas that hold the image, or `None` (default): all of it.
        fill: value of original pixels that the network did not see, outside its window. Defaults to 0, void.

    Returns:
        (height, width, ...), of the type of `maps`.

    Example:
        >>> to_original_size(np.array([[1, 1], [2, 3]]), size=(4, 4), scale=(0.5, 0.5))
        array([[1, 1, 1, 1], [1, 1, 1, 1], [2, 2, 3, 3], [2, 2, 3, 3]])
    """
    if tf.is_tensor(maps):
        return _tensor(maps, size, scale, offset, shown, fill)
    maps = np.asarray(maps)
    picked, inside = [], []
    for axis in range(2):
        centres = np.arange(int(round(float(size[axis])))) + 0.5 - np.float64(offset[axis])
        places = np.floor(centres * np.float64(scale[axis]) + _TOLERANCE)
        last = (maps.shape[axis] if shown is None else min(int(round(float(shown[axis]))), maps.shape[axis])) - 1
        inside.append((places >= 0) & (places <= last))
        picked.append(np.clip(places, 0, max(last, 0)).astype(np.intp))
    taken = maps[picked[0]][:, picked[1]]
    if not (inside[0].all() and inside[1].all()):
        taken[~inside[0]] = fill
        taken[:, ~inside[1]] = fill
    return taken


def _tensor(maps, size, scale, offset, shown, fill):
    size, scale, offset = (tf.cast(value, tf.float64) for value in (size, scale, offset))
    held = tf.cast(tf.shape(maps)[:2], tf.float64)
    last = (held if shown is None else tf.minimum(tf.round(tf.cast(shown, tf.float64)), held)) - 1.0
    for axis in range(2):
        centres = tf.range(tf.round(size[axis]), dtype=tf.float64) + 0.5 - offset[axis]
        places = tf.floor(centres * scale[axis] + _TOLERANCE)
        inside = (places >= 0.0) & (places <= last[axis])
        maps = tf.gather(maps, tf.cast(tf.clip_by_value(places, 0.0, tf.maximum(last[axis], 0.0)), tf.int32), axis=axis)
        inside = tf.reshape(inside, [-1 if i == axis else 1 for i in range(maps.shape.rank)])
        maps = tf.where(inside, maps, tf.cast(fill, maps.dtype))
    return maps
