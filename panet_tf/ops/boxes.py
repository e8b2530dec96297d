"""Boxes: overlap, deltas, clipping and changes of frame. All are yxyx in continuous pixels, computed in float32."""

import math

import tensorflow as tf

# log(1000 / 16): an anchor grows at most 62.5 times, so that exp of an untrained head's delta cannot overflow.
MAX_LOG_SCALE = math.log(1000.0 / 16.0)

# Sides below this many pixels are encoded as this many: padding slots (0, 0, 0, 0) give finite numbers that a weight
# of 0 removes.
_MIN_SIDE = 1e-3


def box_area(boxes):
    """Areas of boxes; a box whose sides are inverted has area 0.

    Args:
        boxes: float (..., 4), yxyx in pixels.

    Returns:
        float32 (...), square pixels.
    """
    y0, x0, y1, x1 = tf.unstack(tf.cast(boxes, tf.float32), axis=-1)
    return tf.maximum(y1 - y0, 0.0) * tf.maximum(x1 - x0, 0.0)


def _pairwise_intersection(a, b):
    """float32 (..., N, M): common area of every box of `a` (..., N, 4) with every box of `b` (..., M, 4)."""
    ay0, ax0, ay1, ax1 = tf.unstack(a[..., :, None, :], axis=-1)
    by0, bx0, by1, bx1 = tf.unstack(b[..., None, :, :], axis=-1)
    height = tf.maximum(tf.minimum(ay1, by1) - tf.maximum(ay0, by0), 0.0)
    width = tf.maximum(tf.minimum(ax1, bx1) - tf.maximum(ax0, bx0), 0.0)
    return height * width


def pairwise_iou(a, b):
    """Intersection over union of every box of `a` with every box of `b`.

    No +1 anywhere: a box from 0 to 1 has area 1. A box without area overlaps nothing (0, not NaN), itself included.

    Args:
        a: float (..., N, 4), yxyx in pixels.
        b: float (..., M, 4), yxyx in pixels; leading dimensions broadcast against those of `a`.

    Returns:
        float32 (..., N, M), 0 to 1.

    Example:
        >>> pairwise_iou([[0.0, 0.0, 2.0, 2.0]], [[0.0, 1.0, 2.0, 3.0], [5.0, 5.0, 6.0, 6.0]]).numpy()
        array([[0.33333334, 0.        ]], dtype=float32)
    """
    a, b = tf.cast(a, tf.float32), tf.cast(b, tf.float32)
    intersection = _pairwise_intersection(a, b)
    union = box_area(a)[..., :, None] + box_area(b)[..., None, :] - intersection
    return tf.math.divide_no_nan(intersection, union)


def pairwise_ioa(a, b):
    """Intersection over the area of `a`: how much of each box of `a` lies in each box of `b`.

    The measure for crowds: an anchor is ignored when most of it lies in one, however large the crowd's region is.
    Source: COCO's evaluation of `iscrowd` regions (pycocotools, `bbIou`).

    Args:
        a: float (..., N, 4), yxyx in pixels: detections, anchors or proposals.
        b: float (..., M, 4), yxyx in pixels: crowds.

    Returns:
        float32 (..., N, M), 0 to 1; 0 where a box of `a` has no area.
    """
    a, b = tf.cast(a, tf.float32), tf.cast(b, tf.float32)
    return tf.math.divide_no_nan(_pairwise_intersection(a, b), box_area(a)[..., :, None])


def _centres_and_sizes(boxes):
    y0, x0, y1, x1 = tf.unstack(tf.cast(boxes, tf.float32), axis=-1)
    return y0 + 0.5 * (y1 - y0), x0 + 0.5 * (x1 - x0), y1 - y0, x1 - x0


def encode_boxes(boxes, anchors, weights=(1.0, 1.0, 1.0, 1.0)):
    """Deltas that move anchors onto boxes: the target of box regression.

    dy and dx are the shift of the centre in units of the anchor's size; dh and dw are logarithms of the ratio of sizes.
    Sides under a thousandth of a pixel are encoded as that, so that padding gives finite numbers.
    Source: Faster R-CNN, section 3.1.2.

    Args:
        boxes: float (..., 4), yxyx in pixels.
        anchors: float (..., 4), yxyx in pixels; broadcast against `boxes`.
        weights: four numbers by which dy, dx, dh, dw are multiplied; (1, 1, 1, 1) for the RPN, (10, 10, 5, 5) for the
            box head.

    Returns:
        float32 (..., 4), dy, dx, dh, dw.
    """
    box_y, box_x, box_h, box_w = _centres_and_sizes(boxes)
    y, x, h, w = _centres_and_sizes(anchors)
    h, w = tf.maximum(h, _MIN_SIDE), tf.maximum(w, _MIN_SIDE)
    deltas = (
        (box_y - y) / h,
        (box_x - x) / w,
        tf.math.log(tf.maximum(box_h, _MIN_SIDE) / h),
        tf.math.log(tf.maximum(box_w, _MIN_SIDE) / w),
    )
    return tf.stack(deltas, axis=-1) * tf.constant(weights, tf.float32)


def decode_boxes(deltas, anchors, weights=(1.0, 1.0, 1.0, 1.0)):
    """Applies predicted deltas to anchors: the inverse of `encode_boxes`.

    A box with centre (cy, cx) and size (h, w) is moved by (dy * h, dx * w) and scaled by exp(dh), exp(dw); dh and dw
    are clipped at log(1000 / 16) so that an untrained head cannot overflow. Source: Faster R-CNN, section 3.1.2.

    Args:
        deltas: float (..., 4), dy, dx, dh, dw, each multiplied by its entry of `weights` when encoded.
        anchors: float (..., 4), yxyx in pixels; broadcast against `deltas`.
        weights: four numbers; (1, 1, 1, 1) for the RPN, (10, 10, 5, 5) for the box head.

    Returns:
        float32 (..., 4), yxyx in pixels, not clipped to any image.
    """
    y, x, h, w = _centres_and_sizes(anchors)
    dy, dx, dh, dw = tf.unstack(tf.cast(deltas, tf.float32) / tf.constant(weights, tf.float32), axis=-1)
    y, x = y + dy * h, x + dx * w
    half_h = 0.5 * h * tf.exp(tf.minimum(dh, MAX_LOG_SCALE))
    half_w = 0.5 * w * tf.exp(tf.minimum(dw, MAX_LOG_SCALE))
    return tf.stack([y - half_h, x - half_w, y + half_h, x + half_w], axis=-1)


def clip_boxes(boxes, sizes):
    """Cuts boxes to images of valid height and width `sizes` (not to the padded canvas).

    Args:
        boxes: float (..., N, 4), yxyx in pixels.
        sizes: float or int (..., 2), height and width in pixels of each leading entry.

    Returns:
        float32 (..., N, 4); boxes outside the image become boxes without area on its border.
    """
    sizes = tf.cast(sizes, tf.float32)
    limits = tf.concat([sizes, sizes], axis=-1)[..., None, :]
    return tf.maximum(tf.minimum(tf.cast(boxes, tf.float32), limits), 0.0)


def flip_boxes(boxes, width):
    """Mirrors boxes left to right in an image `width` pixels wide: x becomes width - x (continuous coordinates, no -1).

    Args:
        boxes: float (..., 4), yxyx in pixels.
        width: number or scalar tensor, or one that broadcasts against `boxes[..., 0]`.

    Returns:
        float32 (..., 4).
    """
    y0, x0, y1, x1 = tf.unstack(tf.cast(boxes, tf.float32), axis=-1)
    width = tf.cast(width, tf.float32)
    return tf.stack([y0, width - x1, y1, width - x0], axis=-1)


def to_original(boxes, scales, offsets):
    """Boxes of the network's canvas in pixels of the original image: box / scale + offset.

    Args:
        boxes: float (..., N, 4), yxyx in network pixels.
        scales: float (..., 2), network / original, for y and x.
        offsets: float (..., 2), the crop's or tile's corner in original pixels, y and x.

    Returns:
        float32 (..., N, 4), yxyx in original pixels.
    """
    scales, offsets = tf.cast(scales, tf.float32), tf.cast(offsets, tf.float32)
    scales, offsets = tf.concat([scales, scales], -1)[..., None, :], tf.concat([offsets, offsets], -1)[..., None, :]
    # An image that only pads a batch has scale 0: its boxes are its offset, never NaN.
    return tf.math.divide_no_nan(tf.cast(boxes, tf.float32), scales) + offsets


def to_network(boxes, scales, offsets):
    """Boxes of the original image in pixels of the network's canvas: (box - offset) * scale. Undoes `to_original`.

    Args:
        boxes: float (..., N, 4), yxyx in original pixels.
        scales: float (..., 2), network / original, for y and x.
        offsets: float (..., 2), the crop's or tile's corner in original pixels, y and x.

    Returns:
        float32 (..., N, 4), yxyx in network pixels.
    """
    scales, offsets = tf.cast(scales, tf.float32), tf.cast(offsets, tf.float32)
    scales, offsets = tf.concat([scales, scales], -1)[..., None, :], tf.concat([offsets, offsets], -1)[..., None, :]
    return (tf.cast(boxes, tf.float32) - offsets) * scales
