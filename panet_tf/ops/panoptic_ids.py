"""COCO's numbering of segments in a picture: id = R + 256 G + 65536 B, 0 is void."""

import numpy as np
import tensorflow as tf

VOID = 0
MAX_ID = 256**3 - 1


def ids_to_rgb(ids):
    """The picture that stands for a map of segment ids.

    Args:
        ids: int (...), 0 to 16,777,215, as a NumPy array or a tensor. What is larger loses its high bits in a graph.

    Returns:
        uint8 (..., 3), R, G, B, an array for an array and a tensor for a tensor.

    Raises:
        ValueError: for ids that are no integers, and for an array with ids that have no colour.

    Example:
        >>> ids_to_rgb(np.array([1, 256, 65536 * 3]))
        array([[1, 0, 0], [0, 1, 0], [0, 0, 3]], dtype=uint8)

    Source: panopticapi, `utils.py`, `id2rgb` (the docstring of its `IdGenerator` states another formula, which its code
    does not follow).
    """
    if tf.is_tensor(ids):
        ids = tf.cast(ids, tf.int32)
        channels = [tf.bitwise.bitwise_and(tf.bitwise.right_shift(ids, shift), 255) for shift in (0, 8, 16)]
        return tf.cast(tf.stack(channels, axis=-1), tf.uint8)
    ids = np.asarray(ids)
    if ids.dtype.kind not in "iu":
        raise ValueError(f"segment ids must be integers, received {ids.dtype}.")
    if ids.size and (ids.min() < 0 or ids.max() > MAX_ID):
        raise ValueError(f"segment ids must be 0..{MAX_ID} to have a colour, received {ids.min()}..{ids.max()}.")
    ids = np.ascontiguousarray(ids.astype("<u4"))
    return ids.view(np.uint8).reshape(*ids.shape, 4)[..., :3].copy()


def rgb_to_ids(rgb):
    """The map of segment ids that a picture stands for: the inverse of `ids_to_rgb`.

    Args:
        rgb: uint8 (..., 3), as a NumPy array or a tensor.

    Returns:
        int32 (...).

    Raises:
        ValueError: for another type or number of channels: a grey picture or one with a palette holds no ids.

    Example:
        >>> rgb_to_ids(np.array([[0, 1, 0]], "uint8"))
        array([256], dtype=int32)
    """
    if rgb.dtype != "uint8" or rgb.shape[-1] != 3:
        raise ValueError(f"a picture of segment ids is uint8 (..., 3), received {rgb.dtype} {tuple(rgb.shape)}.")
    if tf.is_tensor(rgb):
        return tf.tensordot(tf.cast(rgb, tf.int32), tf.constant([1, 256, 65536]), axes=1)
    rgb = np.asarray(rgb)
    return rgb[..., 0] + rgb[..., 1] * np.int32(256) + rgb[..., 2] * np.int32(65536)
