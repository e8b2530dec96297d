"""RoIAlign: features of fixed size from regions of any size, in two implementations that give the same numbers.

`"crop_and_resize"` folds the sampling grid into boxes of `tf.image.crop_and_resize`, the fast kernel on CPU and GPU;
`"gather"` reads the four neighbours of every sampling point, which XLA compiles.
"""

import functools

import tensorflow as tf

from panet_tf.ops import xla
from panet_tf.ops.fpn_level import level_stride


def roi_align(
    features,
    rois,
    *,
    stride,
    output_size,
    samples=2,
    aligned=True,
    pooling="average",
    max_samples=6,
    implementation="auto",
):
    """Pools RoIs from one feature map by bilinear interpolation: the mean, or the greatest, of a grid of points a bin.

    A point outside [-1, size] of the map counts as 0; between that and the outermost cells' centres the edge value
    holds. Features get gradients, RoIs do not. Computed in float32. Source: Mask R-CNN, section 3 (RoIAlign);
    `aligned` is detectron2's correction.

    Args:
        features: float (B, H, W, C).
        rois: float (B, R, 4), yxyx in pixels of the network's input.
        stride: number, pixels of the input to a cell of `features`.
        output_size: int or (height, width), bins.
        samples: int, points of a bin a side; 0 takes ceil(RoI size in cells / output size), for each RoI and axis.
            Defaults to 2.
        aligned: bool, whether cell i has its centre at (i + 0.5) * stride. Without it, as in Detectron, the map is
            shifted by half a cell and RoIs are at least one cell long. Defaults to True.
        pooling: `"average"` or `"max"` of a bin's points (Mask R-CNN, Table 2c). Defaults to `"average"`.
        max_samples: int, limit when `samples` is 0; cost grows with its square. The default of 6 suffices for 7 bins
            and RoIs of 1344 pixels on stride 32.
        implementation: `"auto"`, `"crop_and_resize"` or `"gather"`. Defaults to `"auto"`: `"gather"` where XLA
            compiles.

    Returns:
        (B, R, height, width, C) in the dtype of `features`.

    Raises:
        ValueError: on an unknown implementation or pooling, or the greatest of points whose number adapts.

    Example:
        >>> roi_align(levels["P3"], rois, stride=8, output_size=7).shape
        TensorShape([2, 512, 7, 7, 256])
    """
    if pooling != "average":
        pool = functools.partial(roi_align, features, rois, stride=stride)
        return _greatest_point(pool, pooling, output_size, samples, aligned, implementation)
    implementation = xla.choose_implementation(implementation, "crop_and_resize", "gather", "roi_align")
    bins = _Bins(output_size, samples, max_samples, aligned)
    flat_rois = tf.reshape(tf.stop_gradient(tf.cast(rois, tf.float32)), (-1, 4)) / stride
    image = tf.reshape(_image_indices(rois), (-1,))
    if implementation == "gather":
        pooled = _pool_by_gather([features], flat_rois, image, tf.zeros_like(image), bins)
    else:
        pooled = _cropped(features, flat_rois, image, bins)
    return _unflatten(pooled, rois, features, bins)


def roi_align_levels(
    levels,
    rois,
    level_index,
    *,
    output_size,
    strides=None,
    samples=2,
    aligned=True,
    pooling="average",
    max_samples=6,
    implementation="auto",
):
    """Pools each RoI from one of several feature maps, at the cost of pooling once.

    `"crop_and_resize"` picks the RoIs of each level (a number that varies), pools them, and puts them back in order;
    `"gather"` lays all maps in one table, so that a RoI's level is an offset. Source: Feature Pyramid Networks,
    section 4.2.

    Args:
        levels: dict from level to float (B, H_l, W_l, C), fine to coarse.
        rois: float (B, R, 4), yxyx in pixels of the network's input.
        level_index: int (B, R), position in `levels` (0 = the first), as `fpn_level(rois, min_level, ...) -
            min_level`; clipped.
        output_size: int or (height, width), bins.
        strides: dict from level to pixels. Defaults to 2^n for a level whose name ends in n.
        samples, aligned, pooling, max_samples, implementation: as in `roi_align`.

    Returns:
        (B, R, height, width, C) in the dtype of the features.

    Raises:
        ValueError: on an unknown implementation or a level without a stride.
    """
    if pooling != "average":
        pool = functools.partial(roi_align_levels, levels, rois, level_index, strides=strides)
        return _greatest_point(pool, pooling, output_size, samples, aligned, implementation)
    implementation = xla.choose_implementation(implementation, "crop_and_resize", "gather", "roi_align_levels")
    bins = _Bins(output_size, samples, max_samples, aligned)
    strides = [level_stride(level) if strides is None else strides[level] for level in levels]
    features = list(levels.values())
    level = tf.reshape(tf.clip_by_value(tf.cast(level_index, tf.int32), 0, len(features) - 1), (-1,))
    scale = tf.gather(1.0 / tf.constant(strides, tf.float32), level)
    flat_rois = tf.reshape(tf.stop_gradient(tf.cast(rois, tf.float32)), (-1, 4)) * scale[:, None]
    image = tf.reshape(_image_indices(rois), (-1,))
    if implementation == "gather":
        pooled = _pool_by_gather(features, flat_rois, image, level, bins)
    else:
        places, parts = [], []
        for index, feature_map in enumerate(features):
            place = tf.cast(tf.where(level == index)[:, 0], tf.int32)
            places.append(place)
            parts.append(_cropped(feature_map, tf.gather(flat_rois, place), tf.gather(image, place), bins))
        pooled = tf.dynamic_stitch(places, parts)
    return _unflatten(pooled, rois, features[0], bins)


def _greatest_point(pool, pooling, output_size, samples, aligned, implementation):
    """The points themselves, as bins of one point each, and the greatest of every bin's."""
    if pooling != "max" or not samples:
        raise ValueError(
            f'pooling must be "average", or "max" of a fixed number of samples, received {pooling!r} of {samples}.'
        )
    height, width = (output_size, output_size) if isinstance(output_size, int) else output_size
    points = pool(
        output_size=(height * samples, width * samples), samples=1, aligned=aligned, implementation=implementation
    )
    channels = points.shape[-1]
    flat = tf.reshape(points, (-1, height * samples, width * samples, channels))
    pooled = tf.nn.max_pool2d(flat, samples, samples, "VALID")
    shape = tf.concat([tf.shape(points)[:2], [height, width, channels]], axis=0)
    return tf.ensure_shape(tf.reshape(pooled, shape), (*points.shape[:2], height, width, channels))


class _Bins:
    """The sampling grid: bins of the result, points in a bin, and where a RoI begins."""

    def __init__(self, output_size, samples, max_samples, aligned):
        self.shape = (output_size, output_size) if isinstance(output_size, int) else tuple(output_size)
        self.samples, self.max_samples, self.aligned = samples, max_samples, aligned

    def axes(self, rois):
        """For y and x: start and length in cells, float32 (n,), and points of a bin, a whole float32 (n,)."""
        y0, x0, y1, x1 = tf.unstack(rois, axis=-1)
        result = []
        for low, high, bins in ((y0, y1, self.shape[0]), (x0, x1, self.shape[1])):
            # Coordinates count cells from the first one's centre: half a cell less than from the map's edge.
            start = low - 0.5 if self.aligned else low
            length = tf.maximum(high - low, 0.0 if self.aligned else 1.0)
            if self.samples:
                number = tf.fill(tf.shape(length), float(self.samples))
            else:
                number = tf.minimum(tf.math.ceil(length / bins), float(self.max_samples))
            result.append((start, length, number))
        return result


def _image_indices(rois):
    """int32 (B, R): the image of each RoI."""
    shape = tf.shape(rois)
    return tf.broadcast_to(tf.range(shape[0])[:, None], shape[:2])


def _unflatten(pooled, rois, features, bins):
    shape = tf.shape(rois)
    pooled = tf.reshape(pooled, tf.concat([shape[:2], [*bins.shape, tf.shape(features)[-1]]], axis=0))
    return tf.ensure_shape(tf.cast(pooled, features.dtype), (*rois.shape[:2], *bins.shape, features.shape[-1]))


def _cropped(features, rois, image, bins):
    """`_pool_by_crop` with a gradient of its own.

    TensorFlow's gradient of `crop_and_resize` adds to one map from several threads without a lock (CPU,
    `CropAndResizeGradImage`): where RoIs overlap, parts of the sum are lost, other ones each time. Pooling is linear,
    so the gradient is a product with the transposed matrix of its weights, which has few entries a row.
    """

    @tf.custom_gradient
    def pool(features):
        def gradient(upstream):
            cells, values = _weights(features, rois, image, bins)
            columns = tf.broadcast_to(tf.range(tf.shape(cells)[0])[:, None], tf.shape(cells))
            entries = tf.stack([tf.reshape(cells, (-1,)), tf.reshape(columns, (-1,))], axis=-1)
            values = tf.reshape(values, (-1,))
            if not bins.samples:  # most of the points that a RoI may have, it has not
                there = tf.where(values > 0)[:, 0]
                entries, values = tf.gather(entries, there), tf.gather(values, there)
            shape = tf.shape(features)
            upstream = tf.reshape(tf.cast(upstream, tf.float32), (-1, shape[-1]))
            size = tf.cast(tf.stack([shape[0] * shape[1] * shape[2], tf.shape(upstream)[0]]), tf.int64)
            matrix = tf.SparseTensor(tf.cast(entries, tf.int64), values, size)
            to_features = tf.sparse.sparse_dense_matmul(matrix, upstream)
            return tf.cast(tf.reshape(to_features, shape), features.dtype)

        return _pool_by_crop(features, rois, image, bins), gradient

    return pool(features)


def _weights(features, rois, image, bins):
    """For every bin of every RoI (n * bins): the cells it reads, int32 (., k) into B * H * W, and their weights."""
    height, width = tf.shape(features)[1], tf.shape(features)[2]
    places = []
    for (start, length, number), count, size in zip(bins.axes(rois), bins.shape, (height, width)):
        points = range(bins.samples or bins.max_samples)
        size = tf.fill(tf.shape(number), size)
        neighbours = [n for k in points for n in _neighbours(start, length, number, count, k, size)]
        places.append([tf.stack(values, axis=-1) for values in zip(*neighbours)])
    (rows, row_weights), (columns, column_weights) = places
    rows = rows + (image * height)[:, None, None]
    cells = (rows * width)[:, :, None, :, None] + columns[:, None, :, None, :]
    weights = row_weights[:, :, None, :, None] * column_weights[:, None, :, None, :]
    number = len(neighbours) ** 2
    return tf.reshape(cells, (-1, number)), tf.reshape(weights, (-1, number))


def _pool_by_crop(features, rois, image, bins):
    """Map (B, H, W, C), RoIs (n, 4) in cells, their images (n,) -> float32 (n, bins, bins, C)."""
    # A ring that repeats the edge makes the kernel's zeros begin at -1 and at size, where RoIAlign has them.
    padded = tf.pad(tf.cast(features, tf.float32), [[0, 0], [1, 1], [1, 1], [0, 0]], mode="SYMMETRIC")
    last_cells = [tf.cast(size - 1, tf.float32) for size in (tf.shape(padded)[1], tf.shape(padded)[2])]
    (y_start, y_length, y_number), (x_start, x_length, x_number) = bins.axes(rois)

    def crop(points, first, last):
        """Values at `points` places a side, evenly from `first` to `last` (each a (y, x) pair of (n,), in cells)."""
        low, high = ([(value + 1.0) / cells for value, cells in zip(ends, last_cells)] for ends in (first, last))
        return tf.image.crop_and_resize(padded, tf.stop_gradient(tf.stack([*low, *high], axis=-1)), image, points)

    height, width = bins.shape
    if bins.samples:
        points = (height * bins.samples, width * bins.samples)
        steps = (y_length / points[0], x_length / points[1])
        first = (y_start + 0.5 * steps[0], x_start + 0.5 * steps[1])
        last = (y_start + (points[0] - 0.5) * steps[0], x_start + (points[1] - 0.5) * steps[1])
        values = crop(points, first, last)
        return values if bins.samples == 1 else tf.nn.avg_pool2d(values, bins.samples, bins.samples, "VALID")

    # The k-th points of all bins are evenly spaced too: one crop for each pair of k, weighted for the RoIs that have
    # it.
    bin_height, bin_width = y_length / height, x_length / width
    total = 0.0
    for k in range(bins.max_samples):
        y = y_start + tf.math.divide_no_nan(k + 0.5, y_number) * bin_height
        for j in range(bins.max_samples):
            x = x_start + tf.math.divide_no_nan(j + 0.5, x_number) * bin_width
            values = crop(bins.shape, (y, x), (y + (height - 1) * bin_height, x + (width - 1) * bin_width))
            share = tf.math.divide_no_nan(1.0, y_number * x_number)
            share = tf.where((float(k) < y_number) & (float(j) < x_number), share, 0.0)
            total += values * share[:, None, None, None]
    return total


def _pool_by_gather(maps, rois, image, level, bins):
    """Maps (B, H_l, W_l, C), RoIs (n, 4) in cells, their images and levels (n,) -> float32 (n, bins, bins, C)."""
    table = tf.concat([tf.reshape(m, tf.stack([-1, tf.shape(m)[-1]])) for m in maps], axis=0)
    heights = tf.stack([tf.shape(m)[1] for m in maps])
    widths = tf.stack([tf.shape(m)[2] for m in maps])
    begins = tf.cumsum(heights * widths * tf.shape(maps[0])[0], exclusive=True)
    height, width = tf.gather(heights, level), tf.gather(widths, level)
    begin = tf.gather(begins, level) + image * height * width
    (y_start, y_length, y_number), (x_start, x_length, x_number) = bins.axes(rois)
    points = range(bins.samples or bins.max_samples)
    rows = [n for k in points for n in _neighbours(y_start, y_length, y_number, bins.shape[0], k, height)]
    columns = [n for k in points for n in _neighbours(x_start, x_length, x_number, bins.shape[1], k, width)]
    row_index, row_weight = (tf.stack(values) for values in zip(*rows))
    column_index, column_weight = (tf.stack(values) for values in zip(*columns))
    row_index = begin[:, None] + row_index * width[:, None]

    def term(number):
        """Rows of the table (n, bins, bins) and their weights (n, bins, bins, 1), for one neighbour of one point."""
        row, column = number // len(columns), number % len(columns)
        index = row_index[row][:, :, None] + column_index[column][:, None, :]
        return index, (row_weight[row][:, :, None] * column_weight[column][:, None, :])[..., None]

    return _weighted_rows(table, term, len(rows) * len(columns))


def _neighbours(start, length, number, bins, k, size):
    """The two cells around the k-th point of every bin along one axis: [(index (n, bins), weight (n, bins))] * 2."""
    part = tf.math.divide_no_nan(k + 0.5, number)
    position = start[:, None] + (tf.range(bins, dtype=tf.float32) + part[:, None]) * (length / bins)[:, None]
    last = tf.cast(size - 1, tf.float32)[:, None]
    counts = (position >= -1.0) & (position <= last + 1.0) & (float(k) < number)[:, None]
    share = tf.where(counts, tf.math.divide_no_nan(1.0, number)[:, None], 0.0)
    position = tf.clip_by_value(position, 0.0, last)
    low = tf.floor(position)
    fraction = position - low
    low_index = tf.cast(low, tf.int32)
    high_index = tf.minimum(low_index + 1, size[:, None] - 1)
    return [(low_index, share * (1.0 - fraction)), (high_index, share * fraction)]


def _weighted_rows(table, term, count):
    """Sum of weight * table[index] over (index (n, h, w), weight (n, h, w, 1)) = term(0 .. count - 1) -> (n, h, w, C).

    The gradient is written out because the automatic one keeps every term's rows until all are added. Here one table is
    added to in place, in a loop: unrolled, XLA computes what flows back once more for every term.
    """

    def in_loop(add, total):
        return tf.while_loop(
            lambda number, _: number < count,
            lambda number, total: (number + 1, add(number, total)),
            (0, total),
            parallel_iterations=1,
        )[1]

    @tf.custom_gradient
    def pool(table):
        def add_rows(number, total):
            index, weight = term(number)
            return total + weight * tf.cast(tf.gather(table, index), tf.float32)

        def gradient(upstream):
            upstream = tf.cast(upstream, tf.float32)

            def add_to_rows(number, total):
                index, weight = term(number)
                return tf.tensor_scatter_nd_add(total, index[..., None], weight * upstream)

            return tf.cast(in_loop(add_to_rows, tf.zeros(tf.shape(table), tf.float32)), table.dtype)

        total = tf.zeros(tf.concat([tf.shape(term(0)[0]), tf.shape(table)[-1:]], axis=0), tf.float32)
        if count > 16:
            return in_loop(add_rows, total), gradient
        for number in range(count):  # two points a side: a compiler fuses the terms into one pass
            total = add_rows(number, total)
        return total, gradient

    return pool(table)
