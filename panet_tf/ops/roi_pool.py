"""RoIPool and RoIWarp: features of regions whose borders are rounded to whole cells, as they were before RoIAlign."""

import tensorflow as tf

from panet_tf.ops.fpn_level import level_stride
from panet_tf.ops.roi_align import roi_align, roi_align_levels

_WINDOWS = (1, 2, 4, 8)  # cells of a row whose greatest is looked up at once


def roi_pool(features, rois, *, stride, output_size):
    """The greatest value in each bin of each region, borders of regions and of bins rounded (Fast R-CNN, section 2.1).

    A region ends with the cell that its rounded border names, and has at least one; bins without a cell on the map are
    0. Features get gradients (the first of equal values takes all), RoIs do not. Runs everywhere, XLA included; the
    work grows with the largest bin, not with the map.

    Args:
        features: float (B, H, W, C).
        rois: float (B, R, 4), yxyx in pixels of the network's input.
        stride: number, pixels of the input to a cell of `features`.
        output_size: int or (height, width), bins.

    Returns:
        (B, R, height, width, C) in the dtype of `features`.

    Example:
        >>> roi_pool(levels["C4"], rois, stride=16, output_size=7).shape
        TensorShape([2, 64, 7, 7, 1024])
    """
    level_index = tf.zeros(tf.shape(rois)[:2], tf.int32)
    return roi_pool_levels({"map": features}, rois, level_index, output_size=output_size, strides={"map": stride})


def roi_pool_levels(levels, rois, level_index, *, output_size, strides=None):
    """`roi_pool` of each region from one of several maps.

    Args:
        levels: dict from level to float (B, H_l, W_l, C), fine to coarse.
        rois, output_size: as in `roi_pool`.
        level_index: int (B, R), position in `levels`; clipped.
        strides: dict from level to pixels. Defaults to 2^n for a level whose name ends in n.

    Returns:
        (B, R, height, width, C) in the dtype of the features.

    Raises:
        ValueError: for a level without a stride.
    """
    bins = _pair(output_size)
    maps = list(levels.values())
    level = tf.reshape(tf.clip_by_value(tf.cast(level_index, tf.int32), 0, len(maps) - 1), (-1,))
    cells = tf.reshape(_rounded_cells(levels, rois, level, strides), (-1, 4))
    images = tf.shape(rois)[0]
    image = tf.reshape(tf.broadcast_to(tf.range(images)[:, None], tf.shape(rois)[:2]), (-1,))
    sizes = tf.gather(tf.stack([tf.shape(m)[1:3] for m in maps]), level)
    (y0, y1), (x0, x1) = (_bin_ends(cells[:, i], cells[:, i + 2], bins[i], sizes[:, i]) for i in (0, 1))
    rows, begins = _row_tables(maps)
    kind = sum(tf.cast(x1 - x0 >= window, tf.int32) for window in _WINDOWS[1:])
    window = tf.gather(tf.constant(_WINDOWS), kind)
    begin = tf.gather(tf.gather(begins, level), kind, batch_dims=1) + (image * sizes[:, 0] * sizes[:, 1])[:, None]
    places = _Places(y0, y1, x0, x1, window, begin, sizes)
    pooled = _greatest(rows, places)
    there = (y1 > y0)[:, :, None] & (x1 > x0)[:, None, :]
    pooled = tf.where(there[..., None], pooled, tf.zeros((), pooled.dtype))
    shape = tf.concat([tf.shape(rois)[:2], [*bins, tf.shape(maps[0])[-1]]], axis=0)
    return tf.ensure_shape(tf.reshape(pooled, shape), (*rois.shape[:2], *bins, maps[0].shape[-1]))


def roi_warp(features, rois, *, stride, output_size, **options):
    """RoIAlign of regions whose borders are rounded to whole cells first: RoIWarp as Mask R-CNN (Table 2c) has it.

    Args:
        features, rois, stride, output_size: as in `roi_pool`.
        **options: `samples`, `pooling`, `max_samples` and `implementation` of `roi_align`.

    Returns:
        (B, R, height, width, C) in the dtype of `features`.

    Example:
        >>> roi_warp(levels["C4"], rois, stride=16, output_size=7, pooling="max").shape
        TensorShape([2, 64, 7, 7, 1024])
    """
    scale = 1.0 / stride
    whole = _round(tf.cast(rois, tf.float32) * scale)
    return roi_align(features, _closed(whole) / scale, stride=stride, output_size=output_size, **options)


def roi_warp_levels(levels, rois, level_index, *, output_size, strides=None, **options):
    """`roi_warp` of each region from one of several maps; arguments as in `roi_pool_levels` and `roi_warp`."""
    level = tf.clip_by_value(tf.cast(level_index, tf.int32), 0, len(levels) - 1)
    scale = _scales(levels, level, strides)
    whole = _round(tf.cast(rois, tf.float32) * scale)
    rois = _closed(whole) / scale
    return roi_align_levels(levels, rois, level, output_size=output_size, strides=strides, **options)


def _scales(levels, level, strides):
    """Cells to a pixel of each region's level: level's shape with one more axis."""
    values = [level_stride(name) if strides is None else strides[name] for name in levels]
    return tf.gather(1.0 / tf.constant([float(value) for value in values]), level)[..., None]


def _round(values):
    """To the nearest whole number, halves away from zero, as C does."""
    return tf.sign(values) * tf.floor(tf.abs(values) + 0.5)


def _closed(cells):
    """Regions (..., 4) of first and last cells as borders: the last cell is inside, and there is at least one."""
    low, high = cells[..., :2], cells[..., 2:] + 1.0
    return tf.concat([low, tf.maximum(high, low + 1.0)], axis=-1)


def _rounded_cells(levels, rois, level, strides):
    rois = tf.reshape(tf.stop_gradient(tf.cast(rois, tf.float32)), (-1, 4))
    return _closed(_round(rois * _scales(levels, level, strides)))


def _bin_ends(low, high, bins, size):
    """First cells of the bins along one axis and those after their last, int32 (n, bins), on a map of `size` (n,)."""
    # The quotient in float32, as torchvision has it: where a bin ends on a whole cell its rounding decides. TensorFlow
    # replaces a division by a constant with a product, which rounds otherwise; not so where it is rounded once more.
    part = tf.cast(tf.cast(high - low, tf.float64) / bins, tf.float32)[:, None]
    steps = tf.range(bins, dtype=tf.float32)
    limit = tf.cast(size, tf.float32)[:, None]
    ends = tf.floor(steps * part), tf.math.ceil((steps + 1.0) * part)
    return [tf.cast(tf.clip_by_value(end + low[:, None], 0.0, limit), tf.int32) for end in ends]


def _row_tables(maps):
    """Greatest value of every run of 1, 2, 4 and 8 cells of a row: all maps in one table (rows, C), and where the part
    of each map and window begins, int32 (maps, windows)."""
    tables, sizes = [], []
    for values in maps:
        tables.append(values)
        for window in _WINDOWS[:-1]:  # runs over the edge come round; nobody looks them up
            values = tf.maximum(values, tf.roll(values, shift=-window, axis=2))
            tables.append(values)
        sizes += [tf.reduce_prod(tf.shape(values)[:3])] * len(_WINDOWS)
    rows = tf.concat([tf.reshape(table, (-1, table.shape[-1])) for table in tables], axis=0)
    return rows, tf.reshape(tf.cumsum(tf.stack(sizes), exclusive=True), (len(maps), len(_WINDOWS)))


class _Places:
    """Rows of the table that bins look up, one number after the other: row by row of a bin, windows left to right."""

    def __init__(self, y0, y1, x0, x1, window, begin, sizes):
        self.y0, self.last_y = y0[:, :, None, None], y1[:, :, None, None] - 1
        self.x0, self.last_x = x0[:, None, :, None], (x1 - window)[:, None, :, None]
        self.window, self.begin = window[:, None, :, None], begin[:, None, :, None]
        self.height, self.width = (sizes[:, i, None, None, None] for i in (0, 1))
        self.across = tf.reduce_max(tf.concat([tf.reshape(-((x0 - x1) // window), (-1,)), [1]], axis=0))
        self.count = self.across * tf.reduce_max(tf.concat([tf.reshape(y1 - y0, (-1,)), [1]], axis=0))

    def rows(self, number):
        """int32 (n, height, width, 1), or as large as `number`; a bin that has no more looks up its last one again."""
        y = tf.minimum(self.y0 + number // self.across, self.last_y)
        x = tf.minimum(self.x0 + number % self.across * self.window, self.last_x)
        y, x = tf.clip_by_value(y, 0, self.height - 1), tf.clip_by_value(x, 0, self.width - 1)  # bins beside the map
        return self.begin + y * self.width + x


def _greatest(table, places):
    """Greatest of the rows that each bin looks up: table (rows, C) -> (n, height, width, C).

    The gradient is written out: the automatic one of a loop would keep what each turn has read.
    """

    def for_each_number(step, *state):
        return tf.while_loop(
            lambda number, *_: number < places.count,
            lambda number, *state: (number + 1, *step(number, *state)),
            (tf.constant(1), *state),
            parallel_iterations=1,
        )[1:]

    def read(table, number):
        return tf.gather(table, places.rows(number)[..., 0])

    @tf.custom_gradient
    def greatest(table):
        (best,) = for_each_number(
            lambda number, best: (tf.maximum(best, read(table, number)),), read(table, tf.constant(0))
        )

        def gradient(upstream):
            def look(number, best, winner):
                value = read(table, number)
                return tf.maximum(best, value), tf.where(value > best, number, winner)

            first = read(table, tf.constant(0))
            _, winner = for_each_number(look, first, tf.zeros(tf.shape(first), tf.int32))
            channels = tf.shape(table)[1]
            cell = places.rows(winner) * channels + tf.range(channels)
            flat = (tf.reshape(values, (-1,)) for values in (upstream, cell))
            return tf.reshape(tf.math.unsorted_segment_sum(*flat, tf.size(table)), tf.shape(table))

        return best, gradient

    return greatest(table)


def _pair(value):
    return (value, value) if isinstance(value, int) else tuple(value)
