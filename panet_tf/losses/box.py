"""Losses of a box head."""

import tensorflow as tf

from panet_tf.losses.counting import count_true, loss_count, masked_sum
from panet_tf.losses.smooth_l1 import smooth_l1


def box_losses(
    class_logits,
    box_deltas,
    *,
    classes,
    box_targets,
    beta=1.0,
    class_normalizer="sampled",
    box_normalizer="sampled",
):
    """Softmax cross-entropy of every sampled region and smooth L1 of the objects' boxes (Fast R-CNN, section 2.3).

    Both are divided by the number of sampled regions, objects and background, as in Detectron, detectron2 and
    torchvision; dividing the second by the number of objects would weigh an object by how few others there are.

    Args:
        class_logits: float (B, R, K + 1), background first.
        box_deltas: float (B, R, K, 4), or (B, R, 1, 4) when class-agnostic.
        classes: int (B, R), 1..K, 0 background, -1 padding.
        box_targets: float (B, R, 4), encoded, used where the class is above 0.
        beta: float, where smooth L1 turns linear. Defaults to 1, Detectron's; PANet's release has 1 / 3, torchvision
            1 / 9, detectron2 0.
        class_normalizer, box_normalizer: what each sum is divided by: `"sampled"`, `"positive"`, or a number of regions
            per image. Default to `"sampled"`.

    Returns:
        dict of `"class"` and `"box"`, each (sum, count), float32 scalars.

    Raises:
        ValueError: for an unknown normalizer or a negative beta.

    Example:
        >>> losses = box_losses(logits, deltas, classes=classes, box_targets=targets, beta=1 / 3)
        >>> total, count = losses["box"]
    """
    counts = {"sampled": count_true(classes >= 0), "positive": count_true(classes > 0)}
    cross_entropy, distance = losses_of_regions(
        class_logits, box_deltas, classes=classes, box_targets=box_targets, beta=beta
    )
    return {
        "class": (masked_sum(classes >= 0, cross_entropy), loss_count(class_normalizer, classes, **counts)),
        "box": (masked_sum(classes > 0, distance), loss_count(box_normalizer, classes, **counts)),
    }


def losses_of_regions(class_logits, box_deltas, *, classes, box_targets, beta=1.0):
    """The two losses of every region by itself, before they are summed: what hard examples are chosen by.

    Args:
        class_logits, box_deltas, classes, box_targets, beta: as in `box_losses`.

    Returns:
        `(cross_entropy, distance)`, float32 (B, R) each: of the class, background where it is padding, and of the four
        deltas together, which is meaningless but finite where there is no object.
    """
    cross_entropy = tf.nn.sparse_softmax_cross_entropy_with_logits(
        tf.maximum(classes, 0), tf.cast(class_logits, tf.float32)
    )
    if box_deltas.shape[2] == 1:
        own = box_deltas[:, :, 0]
    else:
        own = tf.gather(box_deltas, tf.maximum(classes - 1, 0), batch_dims=2)
    targets = tf.stop_gradient(tf.where((classes > 0)[..., None], box_targets, 0.0))
    return cross_entropy, tf.reduce_sum(smooth_l1(own, targets, beta), axis=-1)
