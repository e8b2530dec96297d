"""Losses of a dense detector: every anchor of every level is an example."""

import tensorflow as tf

from panet_tf.losses.counting import count_true, loss_count, masked_sum
from panet_tf.losses.focal import focal_loss
from panet_tf.losses.smooth_l1 import smooth_l1

PER_IMAGE = "positive_per_image"


def dense_losses(
    class_logits,
    box_deltas,
    *,
    classes,
    box_targets,
    class_loss=focal_loss,
    select=None,
    beta=1 / 9,
    class_normalizer="positive",
    box_normalizer="positive",
):
    """A yes-or-no loss for every class of every anchor, and smooth L1 of the objects' boxes (Lin's thesis, 5.4.2).

    Args:
        class_logits: float (B, A, K), without background.
        box_deltas: float (B, A, 4).
        classes: int (B, A), 1..K, 0 background, -1 ignored.
        box_targets: float (B, A, 4), encoded, used where the class is above 0.
        class_loss: function of logits (B, A, K) and bool targets that gives a loss for each. Defaults to `focal_loss`.
        select: optional function of the anchors' class losses float32 (B, A), summed over classes, and of `classes`,
            that returns `classes` with -1 in place of the examples that are left out of both losses (hard example
            mining). Defaults to `None`, all examples.
        beta: float, where smooth L1 turns linear. Defaults to 1 / 9, Detectron's; detectron2 and torchvision have 0.
        class_normalizer, box_normalizer: what each sum is divided by: `"positive"`, the anchors with an object in the
            whole batch, as in Detectron (which counts one more for each image); `"positive_per_image"`, each image's
            sum by its own positives (at least 1) and then by the number of images, as the thesis puts it and
            torchvision has it; `"sampled"`, all examples that are not ignored; or a number per image. Default to
            `"positive"`.

    Returns:
        dict of `"class"` and `"box"`, each (sum, count), float32 scalars.

    Raises:
        ValueError: for an unknown normalizer or a negative beta.

    Example:
        >>> losses = dense_losses(logits, deltas, classes=classes, box_targets=targets)
        >>> total, count = losses["class"]
    """
    number = tf.range(1, class_logits.shape[-1] + 1, dtype=classes.dtype)
    of_classes = class_loss(class_logits, classes[..., None] == number)
    if select is not None:
        classes = select(tf.stop_gradient(tf.reduce_sum(of_classes, axis=-1)), classes)
    positive = classes > 0
    targets = tf.stop_gradient(tf.where(positive[..., None], box_targets, 0.0))
    distance = smooth_l1(box_deltas, targets, beta)
    return {
        "class": _sum_and_count(class_normalizer, classes >= 0, of_classes, classes),
        "box": _sum_and_count(box_normalizer, positive, distance, classes),
    }


def _sum_and_count(normalizer, mask, values, classes):
    """Sum of `values` (B, A, n) where `mask` (B, A), and what goes below it."""
    positive = classes > 0
    counts = {"positive": count_true(positive), "sampled": count_true(classes >= 0), PER_IMAGE: None}
    if normalizer != PER_IMAGE:
        return masked_sum(mask[..., None], values), loss_count(normalizer, classes, **counts)
    of_images = tf.reduce_sum(tf.where(mask[..., None], values, 0.0), axis=(1, 2))
    positives = tf.reduce_sum(tf.cast(positive, tf.float32), axis=1)
    images = count_true(tf.reduce_any(classes >= 0, axis=-1))
    return tf.reduce_sum(of_images / tf.maximum(positives, 1.0)), tf.stop_gradient(images)
