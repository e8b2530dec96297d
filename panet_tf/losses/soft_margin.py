"""Logistic loss of masks and scores of proposals."""

import tensorflow as tf

from panet_tf.losses.counting import masked_sum


def soft_margin_loss(logits, labels, weights):
    """`log(1 + exp(-y x))`, y being -1 or 1, averaged over all elements of the examples that count.

    Args:
        logits: float (B, ...).
        labels: (B, ...), above 0 for y = 1, else y = -1.
        weights: float (B,), of each example; 0 leaves it out.

    Returns:
        (sum, count), float32 scalars; the count is the weights' sum times the elements of an example.

    Example:
        >>> total, count = soft_margin_loss(mask_logits, masks, mask_weights)

    Source: DeepMask (Pinheiro et al., 2015), equation 1; torch's `SoftMarginCriterion`. It is the binary cross-entropy
    of logits, written with y in {-1, 1}.
    """
    logits = tf.cast(logits, tf.float32)
    weights = tf.stop_gradient(tf.cast(weights, tf.float32))
    sign = tf.where(tf.cast(labels, tf.float32) > 0.0, 1.0, -1.0)
    losses = tf.nn.softplus(-sign * logits)
    size = tf.cast(tf.size(losses) / tf.maximum(tf.shape(losses)[0], 1), tf.float32)
    shape = tf.concat([tf.shape(weights), tf.ones(tf.rank(losses) - 1, tf.int32)], axis=0)
    weights_of_all = tf.reshape(weights, shape)
    return masked_sum(weights_of_all > 0.0, losses * weights_of_all), tf.reduce_sum(weights) * size
