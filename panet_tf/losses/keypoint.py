"""Loss of a keypoint head."""

import tensorflow as tf

from panet_tf.losses.counting import loss_count, masked_sum


def keypoint_loss(logits, cells, weights, *, classes=None, normalizer="visible"):
    """Softmax cross-entropy over all cells of the map of each visible keypoint (Mask R-CNN, section 5).

    Args:
        logits: float (B, R, S, S, J).
        cells: int (B, R, J), row * S + column of the true cell.
        weights: float (B, R, J), 1 for keypoints that are visible inside the region, else 0; values between weigh.
        classes: int (B, R), below 0 for padding: images without any other region do not count when `normalizer` is a
            number. Defaults to `None`: images without any weight do not.
        normalizer: what the sum is divided by: `"visible"`, the weights' sum; `"regions"`, the regions that have any
            weight; or a number per image. Defaults to `"visible"`, as detectron2 and torchvision have it; Detectron's
            fixed number is keypoints times sampled regions times their share of positives, 17 * 512 * 0.25.

    Returns:
        (sum, count), float32 scalars.

    Raises:
        ValueError: for an unknown normalizer.

    Example:
        >>> cells, weights = keypoint_targets(keypoints, rois, matched, 56)
        >>> total, count = keypoint_loss(logits, cells, weights)
    """
    weights = tf.stop_gradient(tf.cast(weights, tf.float32))
    height, width, number = logits.shape[2:]
    maps = tf.transpose(tf.cast(logits, tf.float32), (0, 1, 4, 2, 3))
    maps = tf.reshape(maps, (-1, tf.shape(logits)[1], number, height * width))
    cross_entropy = tf.nn.sparse_softmax_cross_entropy_with_logits(tf.cast(cells, tf.int32), maps)
    total = masked_sum(weights > 0, cross_entropy * weights)
    of_regions = tf.reduce_sum(weights, axis=-1)
    regions = tf.reduce_sum(tf.cast(of_regions > 0, tf.float32))
    labels = tf.where(of_regions > 0, 0, -1) if classes is None else classes
    return total, loss_count(normalizer, labels, visible=tf.reduce_sum(weights), regions=regions)
