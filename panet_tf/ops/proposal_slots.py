"""Proposals as clients give them, in a fixed number of slots on the network's canvas."""

import tensorflow as tf

from panet_tf.ops import boxes as box_ops


def proposal_slots(boxes, *, count, original_sizes, scales=None, offsets=None):
    """Puts proposals of any number into the slots that a model without a region proposal network takes.

    They are clipped to their images. Those that keep an area come first, in the order given; what has none (padding,
    boxes outside, numbers that are not finite) goes, and so do those beyond the first `count`.

    Args:
        boxes: float (B, P, 4), yxyx in original pixels, best first; P may be unknown.
        count: int, slots.
        original_sizes: float (B, 2), heights and widths of the images.
        scales: float (B, 2), network / original, for y and x. Defaults to `None`: pixels stay the original's.
        offsets: float (B, 2), the crop's or tile's corner in original pixels. Defaults to `None`: (0, 0).

    Returns:
        float32 (B, count, 4), yxyx in network pixels, zeros in empty slots.

    Example:
        >>> boxes = [[[0.0, 0.0, 0.0, 0.0], [10.0, 20.0, 30.0, 99.0]]]
        >>> proposal_slots(boxes, count=2, original_sizes=[[100.0, 80.0]], scales=[[2.0, 2.0]]).numpy().tolist()
        [[[20.0, 40.0, 60.0, 160.0], [0.0, 0.0, 0.0, 0.0]]]
    """
    original_sizes = tf.cast(original_sizes, tf.float32)
    scales = tf.ones_like(original_sizes) if scales is None else scales
    offsets = tf.zeros_like(original_sizes) if offsets is None else offsets
    boxes = tf.cast(boxes, tf.float32)
    finite = tf.reduce_all(tf.math.is_finite(boxes), axis=-1)
    boxes = box_ops.clip_boxes(tf.where(finite[..., None], boxes, 0.0), original_sizes)
    there = tf.reduce_all(boxes[..., 2:] > boxes[..., :2], axis=-1)
    order = tf.argsort(tf.cast(~there, tf.int32), axis=1, stable=True)
    boxes = tf.where(there[..., None], box_ops.to_network(boxes, scales, offsets), 0.0)
    boxes = tf.gather(boxes, order, batch_dims=1)[:, :count]
    boxes = tf.pad(boxes, [(0, 0), (0, count - tf.shape(boxes)[1]), (0, 0)])
    return tf.ensure_shape(boxes, (None, count, 4))
