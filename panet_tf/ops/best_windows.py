"""The best of all windows of an image, in a fixed number of slots."""

import tensorflow as tf


def best_windows(scores, count):
    """The windows of the highest scores; ties go to the lower index.

    An image of a small canvas may have fewer windows than there are slots, and how many is not known where one trace
    serves several canvases.

    Args:
        scores: float (B, L), minus infinity for windows that do not count; L, at least 1, may be unknown.
        count: int D, slots.

    Returns:
        Pair of float (B, D), sorted, minus infinity in empty slots, and int32 (B, D), indices into L; those of empty
        slots are valid ones too.

    Example:
        >>> [values.numpy().tolist() for values in best_windows(tf.constant([[0.5, 2.0]]), 3)]
        [[[2.0, 0.5, -inf]], [[1, 0, 1]]]
    """
    number = scores.shape[1] or tf.shape(scores)[1]
    filled = tf.pad(scores, [[0, 0], [0, tf.maximum(count - number, 0)]], constant_values=-float("inf"))
    best, indices = tf.math.top_k(filled, k=count)
    return best, tf.minimum(indices, number - 1)
