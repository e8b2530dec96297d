"""Maps of several models on one grid."""

import numpy as np
import tensorflow as tf

from panet_tf.ops.resampling import resize_masks


def common_side(maps):
    """Stacks square maps of the same boxes, the smaller ones resized to the largest (bilinear, half-pixel centres).

    Args:
        maps: list of V arrays (n, m, m, ...), each of its own m, as models of an ensemble predict them.

    Returns:
        float32 (V, n, m, m, ...), m the largest.

    Example:
        >>> common_side([np.zeros((3, 28, 28)), np.zeros((3, 56, 56))]).shape
        (2, 3, 56, 56)
    """
    maps = [np.asarray(one, "float32") for one in maps]
    if len({one.shape for one in maps}) == 1:
        return np.stack(maps)
    side = max(one.shape[1] for one in maps)
    return np.stack([_resized(one, side) for one in maps])


def _resized(maps, side):
    last = np.moveaxis(maps, (1, 2), (-2, -1))
    return np.moveaxis(resize_masks(tf.constant(last), side).numpy(), (-2, -1), (1, 2))
