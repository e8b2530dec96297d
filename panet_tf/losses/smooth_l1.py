"""Smooth L1."""

import tensorflow as tf


def smooth_l1(pred, target, beta=1.0):
    """Quadratic near zero, linear beyond `beta`, elementwise: x^2 / (2 beta) or |x| - beta / 2.

    It is Huber's loss with delta = beta, divided by beta, so that the slope of the linear part is 1 whatever beta is.
    Source: Fast R-CNN, section 2.3 (beta 1).

    Args:
        pred: float (...,).
        target: float, broadcast against `pred`.
        beta: float, where the loss turns linear; 0 is the absolute difference. Defaults to 1.

    Returns:
        float32, of the shape of `pred - target`.

    Raises:
        ValueError: if `beta` is negative.

    Example:
        >>> smooth_l1(tf.constant([0.5, 3.0]), 0.0).numpy()
        array([0.125, 2.5  ], dtype=float32)
    """
    if beta < 0:
        raise ValueError(f"beta must not be negative, received {beta}.")
    distance = tf.abs(tf.cast(pred, tf.float32) - tf.cast(target, tf.float32))
    if beta == 0:
        return distance
    near = tf.minimum(distance, beta)  # squared alone, so that nothing overflows far out
    return near * near * (0.5 / beta) + (distance - near)
