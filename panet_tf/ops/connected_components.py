"""Connected regions of a map, in the graph."""

import tensorflow as tf


def connected_components(labels, *, diagonal=True):
    """Which connected region of equal labels each cell belongs to.

    Every cell starts as a region of its own. In each round a cell takes the least number among its neighbours of the
    same label, hands it to the cell that it pointed to so far, and then points where that one points. So numbers do not
    creep from cell to cell: they double their reach, and a spiral through the whole map is done in a few rounds, where
    plain propagation would need as many as it has cells.

    Args:
        labels: int (H, W). Cells below 0 are background.
        diagonal: bool, whether cells that touch at a corner are neighbours. Defaults to True.

    Returns:
        int32 (H, W), the flat index of the region's first cell, row by row; -1 for background.

    Example:
        >>> connected_components(tf.constant([[5, 5, -1, 5]]), diagonal=False)
        array([[0, 0, -1, 3]])

    Source: Shiloach and Vishkin, "An O(log n) parallel connectivity algorithm", 1982: hooking and pointer jumping.
    """
    height, width = labels.shape if labels.shape.is_fully_defined() else tf.unstack(tf.shape(labels))
    cells = height * width
    inside = labels >= 0
    start = tf.reshape(tf.range(cells), (height, width))
    sides = [(0, 1), (1, 0)] + ([(1, 1), (1, -1)] if diagonal else [])
    sides += [(-y, -x) for y, x in sides]
    same = [inside & (_moved(labels, step, -1) == labels) for step in sides]

    def spread(numbers, _):
        least = numbers
        for step, joined in zip(sides, same):
            least = tf.where(joined, tf.minimum(least, _moved(numbers, step, cells)), least)
        flat, pointers = tf.reshape(least, (-1,)), tf.reshape(numbers, (-1, 1))
        flat = tf.tensor_scatter_nd_min(flat, pointers, flat)
        flat = tf.gather(flat, flat)
        flat = tf.reshape(tf.gather(flat, flat), (height, width))
        return flat, tf.reduce_any(flat != numbers)

    numbers, _ = tf.while_loop(lambda _, changed: changed, spread, (start, tf.constant(True)))
    return tf.where(inside, numbers, -1)


def _moved(x, step, fill):
    """`x` (H, W) such that each cell holds the value of its neighbour `step` rows and columns away."""
    (y, x_step), (height, width) = step, tf.unstack(tf.shape(x))
    padded = tf.pad(x, ((1, 1), (1, 1)), constant_values=fill)
    moved = tf.slice(padded, (1 + y, 1 + x_step), tf.stack([height, width]))
    return tf.ensure_shape(moved, x.shape)
