"""Losses of a region proposal network."""

import tensorflow as tf

from panet_tf.losses.counting import count_true, loss_count, masked_sum
from panet_tf.losses.smooth_l1 import smooth_l1


def rpn_losses(
    objectness,
    box_deltas,
    *,
    labels,
    box_targets,
    beta=1 / 9,
    objectness_normalizer="sampled",
    box_normalizer="sampled",
):
    """Binary cross-entropy of the sampled anchors and smooth L1 of the positive ones (Faster R-CNN, section 3.1.2).

    Both are divided by the number of sampled anchors, as in Detectron, detectron2 and torchvision; the paper divides
    the second by the number of cells (about 2400) and multiplies it by 10, which is nearly the same.

    Args:
        objectness: float (B, S), logits of sampled anchors (or of all of them, with labels of all).
        box_deltas: float (B, S, 4).
        labels: int (B, S), 1 object, 0 background, -1 padding or ignored.
        box_targets: float (B, S, 4), used where the label is 1.
        beta: float, where smooth L1 turns linear. Defaults to 1 / 9, Detectron's; detectron2 has 0.
        objectness_normalizer, box_normalizer: what each sum is divided by: `"sampled"`, `"positive"`, or a number of
            anchors per image (detectron2: 256, however few were found). Default to `"sampled"`.

    Returns:
        dict of `"objectness"` and `"box"`, each (sum, count), float32 scalars.

    Raises:
        ValueError: for an unknown normalizer or a negative beta.

    Example:
        >>> losses = rpn_losses(logits, deltas, labels=labels, box_targets=targets)
        >>> total, count = losses["objectness"]
    """
    positive = labels == 1
    counts = {"sampled": count_true(labels >= 0), "positive": count_true(positive)}
    cross_entropy = tf.nn.sigmoid_cross_entropy_with_logits(
        tf.cast(positive, tf.float32), tf.cast(objectness, tf.float32)
    )
    targets = tf.stop_gradient(tf.where(positive[..., None], box_targets, 0.0))
    distance = smooth_l1(box_deltas, targets, beta)
    return {
        "objectness": (masked_sum(labels >= 0, cross_entropy), loss_count(objectness_normalizer, labels, **counts)),
        "box": (masked_sum(positive[..., None], distance), loss_count(box_normalizer, labels, **counts)),
    }
