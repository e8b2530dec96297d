"""What a sum of losses is divided by, by name or by number."""

import tensorflow as tf


def loss_count(normalizer, labels, **counts):
    """The count that goes with a sum of losses.

    Args:
        normalizer: a key of `counts`, or a number of things per image. Images without any counted row (padding images)
            do not count.
        labels: int (B, S), below 0 for padding.
        **counts: name to scalar tensor.

    Returns:
        float32 scalar, without gradient.

    Raises:
        ValueError: if `normalizer` is neither.
    """
    if isinstance(normalizer, str):
        if normalizer not in counts:
            raise ValueError(
                f"normalizer must be a number per image or one of {tuple(counts)}, received {normalizer!r}."
            )
        return tf.stop_gradient(tf.cast(counts[normalizer], tf.float32))
    images = count_true(tf.reduce_any(labels >= 0, axis=-1))
    return float(normalizer) * images


def count_true(mask):
    """float32 scalar, how many entries of a bool tensor are True."""
    return tf.reduce_sum(tf.cast(mask, tf.float32))


def masked_sum(mask, values):
    """float32 scalar, the sum of `values` where `mask` (bool, broadcast against them) is True.

    The values elsewhere are replaced and not multiplied by zero, so that nothing infinite there becomes NaN.
    """
    return tf.reduce_sum(tf.where(mask, values, 0.0))
