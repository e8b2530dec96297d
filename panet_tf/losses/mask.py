"""Loss of a mask head."""

import tensorflow as tf

from panet_tf.losses.counting import loss_count, masked_sum


def mask_loss(logits, targets, weights, *, normalizer="pixels"):
    """Binary cross-entropy of the objects' masks, each in its true class alone (Mask R-CNN, section 3).

    Args:
        logits: float (B, R, S, S), of each region's true class. Or (B, R, S, S, 2), of background and of the true class
            against all others: the multinomial cross-entropy of classes that compete (Table 2b).
        targets: float (B, R, S, S), 0 to 1.
        weights: float (B, R), 1 for objects, 0 for background and padding; values between weigh a region.
        normalizer: what the sum is divided by: `"pixels"`, the weights' sum times S * S; `"regions"`, the weights'
            sum; or a number per image that has any weight. Defaults to `"pixels"`, as in all reference programs.

    Returns:
        (sum, count), float32 scalars.

    Raises:
        ValueError: for an unknown normalizer.

    Example:
        >>> total, count = mask_loss(logits, targets, tf.cast(classes > 0, tf.float32))
    """
    weights = tf.stop_gradient(tf.cast(weights, tf.float32))
    targets = tf.stop_gradient(tf.cast(targets, tf.float32))
    logits = tf.cast(logits, tf.float32)
    if logits.shape.rank == 5:
        shares = tf.stack([1.0 - targets, targets], axis=-1)
        cross_entropy = tf.reduce_sum(shares * tf.nn.softplus(-logits), axis=-1)
    else:
        cross_entropy = tf.nn.sigmoid_cross_entropy_with_logits(targets, logits)
    regions = tf.reduce_sum(weights)
    pixels = regions * tf.cast(tf.reduce_prod(tf.shape(targets)[2:]), tf.float32)
    total = masked_sum(weights[..., None, None] > 0, cross_entropy * weights[..., None, None])
    return total, loss_count(normalizer, tf.where(weights > 0, 0, -1), pixels=pixels, regions=regions)
