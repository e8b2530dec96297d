"""Keypoints as cells of small maps over regions: training targets, and points read from the maps inside the graph.

What reads them at the exact sub-pixel place, after the graph, is `panet_tf.ops.keypoint_decoding`.
"""

import tensorflow as tf

SCORES = ("softmax", "logit")


def keypoint_targets(keypoints, rois, indices, size):
    """The cell of each RoI's map in which each keypoint of its object lies.

    Cell i of a side covers `y0 + [i, i + 1) * height / size`; a point on the bottom or right edge belongs to the last
    cell. Source: Mask R-CNN, section 5: a one-hot mask for each keypoint; detectron2, `structures/keypoints.py`.

    Args:
        keypoints: float (B, N, J, 3), y, x in pixels and visibility, 0 for points without a label.
        rois: float (B, R, 4), yxyx in pixels.
        indices: int (B, R), into N.
        size: int, cells a side of the map (56).

    Returns:
        int32 (B, R, J), row * size + column, 0 where the weight is 0; float32 (B, R, J), 1 for labelled keypoints
        inside the RoI, else 0.

    Example:
        >>> cells, weights = keypoint_targets(keypoints, rois, matched, 56)
    """
    rois = tf.stop_gradient(tf.cast(rois, tf.float32))
    if keypoints.shape[1] == 0:
        shape = tf.concat([tf.shape(indices), [keypoints.shape[2]]], axis=0)
        return tf.zeros(shape, tf.int32), tf.zeros(shape)
    points = tf.gather(tf.cast(keypoints, tf.float32), indices, batch_dims=1)
    row, in_rows = _cell(points[..., 0], rois[..., 0:1], rois[..., 2:3], size)
    column, in_columns = _cell(points[..., 1], rois[..., 1:2], rois[..., 3:4], size)
    inside = in_rows & in_columns & (points[..., 2] > 0.0)
    return tf.where(inside, row * size + column, 0), tf.cast(inside, tf.float32)


def _cell(positions, low, high, size):
    """Cell of each position along one axis of a RoI, and whether it is one."""
    # In this order, torchvision's and detectron2's: a point near the border of two cells falls to the same one.
    cells = tf.floor((positions - low) * tf.math.divide_no_nan(float(size), high - low))
    cells = tf.where(positions == high, float(size - 1), cells)
    # Far-away points would not fit an int; what is compared is NaN-safe.
    inside = (cells >= 0.0) & (cells < float(size)) & (high > low)
    return tf.cast(tf.where(inside, cells, 0.0), tf.int32), inside


def decode_keypoints(logits, rois, *, subcell="parabola", score="softmax"):
    """The place and the score of each keypoint, from the highest cell of its map; static shapes, compiles under XLA.

    Args:
        logits: float (B, R, S, S, J).
        rois: float (B, R, 4), yxyx in pixels. Sides below one pixel count as one.
        subcell: `"parabola"` moves from the cell's centre to the top of the parabola through the cell and its two
            neighbours, along each axis, by half a cell at most; `None` stays at the centre, as in Mask R-CNN's
            one-hot masks. Defaults to `"parabola"`, which comes near the exact reading.
        score: `"softmax"`, the probability of the cell among all cells; or `"logit"`. Defaults to `"softmax"`.

    Returns:
        float32 (B, R, J, 3): y, x in pixels, score.

    Raises:
        ValueError: for an unknown option.

    Example:
        >>> points = decode_keypoints(logits, boxes)

    Source: Mask R-CNN, section 5; `panet_tf.ops.keypoint_decoding.decode_exactly` for the reference programs' way.
    """
    if subcell not in ("parabola", None):
        raise ValueError(f"subcell must be 'parabola' or None, received {subcell!r}.")
    if score not in SCORES:
        raise ValueError(f"score must be one of {SCORES}, received {score!r}.")
    height, width, number = logits.shape[2:]
    maps = tf.transpose(tf.cast(logits, tf.float32), (0, 1, 4, 2, 3))
    flat = tf.reshape(maps, (-1, tf.shape(logits)[1], number, height * width))
    best = tf.argmax(flat, axis=-1, output_type=tf.int32)
    row, column = best // width, best % width
    dy = dx = 0.0
    if subcell == "parabola":
        dy = _vertex(flat, best, row, height, width)
        dx = _vertex(flat, best, column, width, 1)
    y0, x0, y1, x1 = tf.unstack(tf.cast(rois, tf.float32)[..., None, :], axis=-1)
    y = y0 + (tf.cast(row, tf.float32) + 0.5 + dy) * tf.maximum(y1 - y0, 1.0) / height
    x = x0 + (tf.cast(column, tf.float32) + 0.5 + dx) * tf.maximum(x1 - x0, 1.0) / width
    top = tf.reduce_max(flat, axis=-1)
    if score == "softmax":
        top = tf.exp(top - tf.reduce_logsumexp(flat, axis=-1))
    return tf.stack([y, x, top], axis=-1)


def _vertex(flat, best, position, cells, step):
    """Where the parabola through a cell and its neighbours along an axis has its top, in cells from the centre."""
    neighbours = (tf.clip_by_value(best + move, 0, flat.shape[-1] - 1) for move in (-step, 0, step))
    low, middle, high = (tf.gather(flat, cell[..., None], batch_dims=3)[..., 0] for cell in neighbours)
    moved = tf.math.divide_no_nan(0.5 * (low - high), low - 2.0 * middle + high)
    inner = (position > 0) & (position < cells - 1)  # at the edge of the map one neighbour is missing
    return tf.where(inner, tf.clip_by_value(moved, -0.5, 0.5), 0.0)


def keypoints_to_original(keypoints, scales, offsets):
    """Keypoints of the network's canvas in pixels of the original image: point / scale + offset.

    Args:
        keypoints: float (B, R, J, 3): y, x in network pixels, and a score or a visibility, which stays.
        scales: float (B, 2), network / original, for y and x.
        offsets: float (B, 2), the crop's corner in original pixels, y and x.

    Returns:
        float32 (B, R, J, 3).
    """
    keypoints = tf.cast(keypoints, tf.float32)
    scales, offsets = (tf.cast(value, tf.float32)[:, None, None, :] for value in (scales, offsets))
    points = tf.math.divide_no_nan(keypoints[..., :2], scales) + offsets
    return tf.concat([points, keypoints[..., 2:]], axis=-1)
