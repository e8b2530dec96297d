"""Losses of independent yes-or-no questions, and those that turn from the many easy ones to the few hard ones."""

import math

import tensorflow as tf


def cross_entropy(logits, targets, *, alpha=None, min_probability=0.0):
    """Binary cross-entropy, -log(p_t), elementwise; with `alpha` the balanced one (Lin's thesis, equation 5.3).

    p_t is the probability that the logit gives to what is true. All losses of this module are computed from the logit
    in float32, without a probability in between, so that nothing overflows or becomes 0 * infinity far out.

    Args:
        logits: float (...,).
        targets: bool, or a number whose only values are 0 and 1, broadcast against `logits`.
        alpha: weight of positives, 0 to 1, negatives having 1 - alpha; `None` weighs all alike. Defaults to `None`.
        min_probability: float tau; p_t is taken as at least that, so that no gradient comes from worse examples
            (section 5.4.2, where 1e-5 and 1e-2 are equally good). Defaults to 0.

    Returns:
        float32, of the shape of `logits`.

    Raises:
        ValueError: if an argument is out of range.

    Example:
        >>> cross_entropy(tf.constant([0.0, 50.0]), [1, 0]).numpy()
        array([ 0.6931472, 50.       ], dtype=float32)
    """
    margin, weight = _margin_and_weight(logits, targets, alpha, min_probability)
    return weight * tf.math.softplus(-margin)


def focal_loss(logits, targets, *, gamma=2.0, alpha=0.25, min_probability=0.0):
    """Focal loss, -alpha_t (1 - p_t)^gamma log(p_t), elementwise (Lin's thesis, equation 5.5).

    Examples that are already right count little, so that a hundred thousand easy backgrounds do not outweigh a few
    objects. At gamma 0 it is the (balanced) cross-entropy.

    Args:
        logits, targets, min_probability: as in `cross_entropy`.
        gamma: float, 0 or more; how fast a loss fades as p_t grows. Defaults to 2.
        alpha: as in `cross_entropy`. Defaults to 0.25, the best with gamma 2: the higher gamma, the lower alpha (Table
            5.1c).

    Returns:
        float32, of the shape of `logits`.

    Raises:
        ValueError: if an argument is out of range.

    Example:
        >>> focal_loss(tf.constant([2.0, -2.0]), [1, 0], alpha=None).numpy()
        array([0.00180334, 0.00180334], dtype=float32)
    """
    if gamma < 0:
        raise ValueError(f"gamma must not be negative, received {gamma}.")
    margin, weight = _margin_and_weight(logits, targets, alpha, min_probability)
    # (1 - p_t)^gamma as an exponential: the power's own gradient is 0 * infinity where 1 - p_t underflows.
    return weight * tf.exp(-gamma * tf.math.softplus(margin)) * tf.math.softplus(-margin)


def focal_loss_star(logits, targets, *, gamma=2.0, beta=1.0, alpha=None, min_probability=0.0):
    """The focal loss's alternate form, FL* = -log(sigmoid(gamma x_t + beta)) / gamma, elementwise.

    x_t is the logit, its sign turned where the target is 0. Source: Focal Loss for Dense Object Detection, appendix A.

    Args:
        logits, targets, alpha, min_probability: as in `cross_entropy`; p_t is that of x_t, before gamma and beta.
        gamma: float above 0, steepness. Defaults to 2.
        beta: float, shift. Defaults to 1.

    Returns:
        float32, of the shape of `logits`.

    Raises:
        ValueError: if an argument is out of range.

    Example:
        >>> focal_loss_star(tf.constant([0.0]), [1]).numpy()
        array([0.15663085], dtype=float32)
    """
    if gamma <= 0:
        raise ValueError(f"gamma must be above 0, received {gamma}.")
    margin, weight = _margin_and_weight(logits, targets, alpha, min_probability)
    return weight * tf.math.softplus(-(gamma * margin + beta)) / gamma


def _margin_and_weight(logits, targets, alpha, min_probability):
    """x_t, the logit of p_t, and alpha_t."""
    if alpha is not None and not 0.0 <= alpha <= 1.0:
        raise ValueError(f"alpha must be in 0..1 or None, received {alpha}.")
    if not 0.0 <= min_probability < 1.0:
        raise ValueError(f"min_probability must be at least 0 and below 1, received {min_probability}.")
    logits = tf.cast(logits, tf.float32)
    positive = tf.cast(targets, tf.bool)
    margin = tf.where(positive, logits, -logits)
    if min_probability > 0:
        margin = tf.maximum(margin, math.log(min_probability) - math.log1p(-min_probability))
    weight = 1.0 if alpha is None else tf.where(positive, float(alpha), 1.0 - alpha)
    return margin, weight
