"""Bringing a level to the size of the next finer one."""

import tensorflow as tf


def twice_as_large(x, like):
    """A level with every cell over four, cut to the size of another: nearest-neighbour upsampling by 2.

    Args:
        x: float (B, h, w, C).
        like: float (B, H, W, C') with H in (2h - 1, 2h) and W likewise: levels of images are ceil-sized.

    Returns:
        float (B, H, W, C).
    """
    return cut_to_size(tf.repeat(tf.repeat(x, 2, axis=1), 2, axis=2), like)  # XLA has no gradient of a nearest resize


def cut_to_size(x, like):
    """`x` without the rows and columns beyond the size of `like`.

    Args:
        x: float (B, h, w, C).
        like: float (B, H, W, C') with H <= h and W <= w.

    Returns:
        float (B, H, W, C).
    """
    if x.shape[1:3] == like.shape[1:3] and None not in x.shape[1:3]:
        return x
    height, width = tf.unstack(tf.shape(like)[1:3])
    return tf.ensure_shape(x[:, :height, :width], (None, *like.shape[1:3], None))
