"""Loss of a semantic head."""

import tensorflow as tf

from panet_tf.losses.counting import count_true, masked_sum

IGNORE = 255


def semantic_loss(logits, labels, *, weights=None):
    """Cross-entropy of every labelled pixel, for its mean (Panoptic FPN, section 3; OANet, equation 1).

    Args:
        logits: float (B, h, w, C).
        labels: int (B, h, w), 0..C - 1; 255 and whatever else is no class is ignored.
        weights: float (B,), 0 for images that do not count. Defaults to 1.

    Returns:
        (sum, count), float32 scalars; the count is the number of labelled pixels.

    Example:
        >>> total, count = semantic_loss(head(levels), inputs["semantic"])
    """
    labels = tf.cast(labels, tf.int32)
    counted = (labels >= 0) & (labels < logits.shape[-1]) & (labels != IGNORE)
    if weights is not None:
        counted &= tf.cast(weights, tf.float32)[:, None, None] > 0
    cross_entropy = tf.nn.sparse_softmax_cross_entropy_with_logits(
        tf.where(counted, labels, 0), tf.cast(logits, tf.float32)
    )
    return masked_sum(counted, cross_entropy), tf.stop_gradient(count_true(counted))
