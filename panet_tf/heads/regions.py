"""Between (image, region, ...) and one batch of regions."""

import tensorflow as tf


def flatten_regions(x):
    """(B, R, ...) to (B * R, ...)."""
    return tf.reshape(x, (-1, *x.shape[2:]))


def split_regions(x, like):
    """(B * R, ...) to (B, R, ...), with B and R of `like`, static where it knows them."""
    lead = [
        dynamic if static is None else static for static, dynamic in zip(like.shape[:2], tf.unstack(tf.shape(like)[:2]))
    ]
    return tf.reshape(x, (*lead, *x.shape[1:]))
