"""Masks of classes that compete for every pixel."""

import tensorflow as tf


def competing_logits(logits, class_agnostic=False, classes=None, with_background=False):
    """What a softmax over background and classes says of each, as logits of one against all others.

    The sigmoid of such a logit is the softmax's probability, so that masks are read alike whether their classes compete
    or not; and `-log sigmoid` of the true one's is the multinomial cross-entropy (Mask R-CNN, Table 2b).

    Args:
        logits: float (N, h, w, K + 1), background first; K is 1 where masks have no class.
        class_agnostic: bool, whether K is 1 whatever `classes` say. Defaults to False.
        classes: int (N,) or of N entries, 1..K, optional: the one class of each region that is wanted.
        with_background: bool, with `classes`: whether the background's come too. Defaults to False.

    Returns:
        float32 (N, h, w, K); with `classes` (N, h, w), or (N, h, w, 2), background first.

    Example:
        >>> competing_logits(tf.zeros((1, 1, 1, 4))).numpy().ravel()  # one against three
        array([-1.0986123, -1.0986123, -1.0986123], dtype=float32)
    """
    logits = tf.cast(logits, tf.float32)
    count = logits.shape[-1]
    if classes is None:
        return tf.stack([_one_against_others(logits, tf.one_hot(k, count)) for k in range(1, count)], axis=-1)
    classes = tf.reshape(classes, (-1,))
    chosen = tf.one_hot(tf.ones_like(classes) if class_agnostic else classes, count)[:, None, None, :]
    found = _one_against_others(logits, chosen)
    return tf.stack([_one_against_others(logits, tf.one_hot(0, count)), found], axis=-1) if with_background else found


def check_activation(activation):
    """Raises a `ValueError` unless it is `"sigmoid"` or `"softmax"`."""
    if activation not in ("sigmoid", "softmax"):
        raise ValueError(f'activation must be "sigmoid" or "softmax", received {activation!r}.')


def _one_against_others(logits, chosen):
    """The chosen logit less the logarithm of the others' summed exponentials; `chosen` is of ones and zeros."""
    others = tf.where(chosen > 0, -float("inf"), logits)
    return tf.reduce_sum(tf.where(chosen > 0, logits, 0.0), axis=-1) - tf.reduce_logsumexp(others, axis=-1)
