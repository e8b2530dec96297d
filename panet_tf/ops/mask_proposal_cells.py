"""Cells of a pyramid as windows for masks: where they lie, and which object each is to learn."""

import math

import tensorflow as tf

from panet_tf.ops.fpn_level import level_stride


def cell_centers(sizes):
    """Centres of all cells of a pyramid, and the strides of their levels.

    Args:
        sizes: dict from names of levels to (height, width) in cells, ints or scalar tensors; strides are 2^n.

    Returns:
        Pair of float32 (A, 2), y, x in network pixels, level by level and row by row, and float32 (A,).
    """
    centers, strides = [], []
    for name, (height, width) in sizes.items():
        stride = float(level_stride(name))
        rows, columns = ((tf.range(n, dtype=tf.float32) + 0.5) * stride for n in (height, width))
        places = tf.reshape(tf.stack(tf.meshgrid(rows, columns, indexing="ij"), axis=-1), (-1, 2))
        centers.append(places)
        strides.append(tf.fill(tf.shape(places)[:1], stride))
    return tf.concat(centers, axis=0), tf.concat(strides, axis=0)


def scale_of_objects(boxes, scales):
    """The scale whose canonical size is nearest to each object's longer side, in octaves.

    Args:
        boxes: float32 (..., 4), yxyx.
        scales: sequence of S floats, pixels.

    Returns:
        int32 (...), into `scales`; of equal distances the first.
    """
    longer = tf.maximum(tf.reduce_max(boxes[..., 2:] - boxes[..., :2], axis=-1), 1e-3)
    distances = tf.abs(tf.math.log(longer)[..., None] - tf.constant([math.log(scale) for scale in scales], tf.float32))
    return tf.argmin(distances, axis=-1, output_type=tf.int32)


def match_cells(boxes, valid, sizes, scales, radius=1.0):
    """Which cells have which object in their middle, at its scale (FPN, section 6 and appendix).

    A cell is positive for an object of its scale whose box's centre is at most `radius` cells from the cell's own,
    along either axis; of several objects it has the nearest, of equally near ones the first.

    Args:
        boxes: float32 (B, N, 4), yxyx in network pixels.
        valid: bool (B, N), which slots hold objects.
        sizes: dict from names of L levels to (height, width) in cells.
        scales: tuple of K tuples of L floats: canonical sizes in pixels of each kind of window on each level.
        radius: float, cells. Defaults to 1.

    Returns:
        int32 (B, K * A): the object's slot, -1 for none; kind by kind, then as `cell_centers`.
    """
    kinds, names = len(scales), list(sizes)
    counts = [tf.convert_to_tensor(sizes[name][0] * sizes[name][1]) for name in names]
    starts = tf.concat([[0], tf.cumsum(tf.stack(counts))], axis=0)
    total = starts[-1]
    scale = scale_of_objects(boxes, [size for kind in scales for size in kind])
    kind, level = scale // len(names), scale % len(names)
    shape = tf.gather(tf.stack([tf.stack(sizes[name]) for name in names]), level)  # (B, N, 2)
    stride = tf.gather(tf.constant([float(level_stride(name)) for name in names]), level)[..., None]
    center = (boxes[..., :2] + boxes[..., 2:]) / 2 / stride  # in cells
    around = math.ceil(radius)
    offsets = tf.range(-around, around + 1)
    offsets = tf.reshape(tf.stack(tf.meshgrid(offsets, offsets, indexing="ij"), axis=-1), (-1, 2))
    cells = tf.cast(tf.floor(center), tf.int32)[:, :, None] + offsets  # (B, N, O, 2)
    apart = tf.abs(tf.cast(cells, tf.float32) + 0.5 - center[:, :, None])
    there = tf.reduce_all((cells >= 0) & (cells < shape[:, :, None]), axis=-1)
    there &= (tf.reduce_max(apart, axis=-1) <= radius) & valid[:, :, None]
    index = (kind * total + tf.gather(starts, level))[..., None] + cells[..., 0] * shape[..., 1:] + cells[..., 1]
    index = tf.where(there, index, kinds * total)  # those that are not there share a place behind the last
    batch = tf.shape(boxes)[0]
    index = tf.reshape(index, (batch, -1))
    rows = tf.broadcast_to(tf.range(batch)[:, None], tf.shape(index))
    places = tf.stack([rows, index], axis=-1)
    distance = tf.reshape(tf.reduce_sum(apart**2, axis=-1), tf.shape(index))
    nearest = tf.fill([batch, kinds * total + 1], float("inf"))
    nearest = tf.tensor_scatter_nd_min(nearest, places, distance)
    slot = tf.broadcast_to(tf.range(tf.shape(boxes)[1])[None, :, None], tf.shape(there))
    slot = tf.reshape(slot, tf.shape(index))
    none = tf.int32.max
    slot = tf.where(distance == tf.gather_nd(nearest, places), slot, none)
    matched = tf.tensor_scatter_nd_min(tf.fill(tf.shape(nearest), none), places, slot)[:, :-1]
    return tf.where(matched == none, -1, matched)


def within_boxes(points, boxes):
    """Which points lie in any of some boxes: points (A, 2), boxes (B, N, 4) -> bool (B, A)."""
    y, x = points[:, 0], points[:, 1]
    top, left, bottom, right = (side[..., None] for side in tf.unstack(boxes, axis=-1))
    return tf.reduce_any((y >= top) & (y < bottom) & (x >= left) & (x < right), axis=1)
