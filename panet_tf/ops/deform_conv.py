"""Deformable convolution: a convolution whose kernel reads the map beside its grid, at places that are computed."""

import math

import tensorflow as tf


def deform_conv(inputs, kernel, offsets, mask=None, *, strides=1, padding=0, dilations=1, groups=1):
    """Deformable convolution, first (Dai et al., 2017, section 2.1) and second version (Zhu et al., 2019, equation 1).

    Each tap of the kernel reads the map bilinearly at its own place on the grid plus an offset; cells outside count as
    0. Taps are added one after the other in a loop, forward and backward, and what a tap has read is read again for the
    gradient: memory is that of a few maps however large the kernel, and XLA compiles it. Computed in float32.

    Args:
        inputs: float (B, H, W, C).
        kernel: float (height, width, C / groups, filters).
        offsets: float (B, H', W', D * height * width * 2), in cells: for each of D groups of channels and each tap, row
            by row, dy and dx. D is found from the shape.
        mask: optional float (B, H', W', D * height * width), what each tap's value is multiplied by (second version).
        strides, padding, dilations: int or two; padding is of zeros on both sides.
        groups: int, groups of channels that are convolved apart. Defaults to 1.

    Returns:
        (B, H', W', filters) in the dtype of `inputs`, with gradients for inputs, kernel, offsets and mask.

    Raises:
        ValueError: if shapes do not fit each other.

    Example:
        >>> x, kernel = tf.ones((1, 50, 84, 256)), tf.ones((3, 3, 256, 256))
        >>> deform_conv(x, kernel, tf.zeros((1, 50, 84, 18)), padding=1).shape
        TensorShape([1, 50, 84, 256])
    """
    taps = kernel.shape[0] * kernel.shape[1]
    deform_groups, rest = divmod(offsets.shape[-1], 2 * taps)
    channels, filters = kernel.shape[2] * groups, kernel.shape[3]
    if rest or not deform_groups or channels % deform_groups or filters % groups or inputs.shape[-1] != channels:
        raise ValueError(
            f"offsets must have 2 * {taps} channels for each group of the inputs' channels, and groups divide channels "
            f"and filters; received inputs {inputs.shape}, kernel {kernel.shape}, offsets {offsets.shape}, groups "
            f"{groups}."
        )
    if mask is not None and mask.shape[-1] != deform_groups * taps:
        raise ValueError(f"mask must have {deform_groups * taps} channels, received {mask.shape}.")
    shape = _sizes(offsets)[:3]
    split = (*shape, deform_groups, taps, 2)
    offsets = tf.reshape(tf.cast(offsets, tf.float32), split)
    mask = tf.ones(split[:-1]) if mask is None else tf.reshape(tf.cast(mask, tf.float32), split[:-1])
    taps_grid = _Taps(*shape[1:], kernel.shape[:2], _pair(strides), _pair(padding), _pair(dilations))
    weights = tf.reshape(tf.cast(kernel, tf.float32), (taps, channels // groups, groups, filters // groups))
    weights = tf.transpose(weights, (0, 2, 1, 3))
    outputs = _convolve(tf.cast(inputs, tf.float32), weights, offsets, mask, taps_grid)
    return tf.cast(tf.reshape(outputs, (*shape, filters)), inputs.dtype)


class _Taps:
    """Where each tap of the kernel lies on the map, before its offset."""

    def __init__(self, height, width, kernel, strides, padding, dilations):
        rows = tf.range(height) * strides[0] - padding[0]
        columns = tf.range(width) * strides[1] - padding[1]
        self.cells = tf.cast(tf.stack(tf.meshgrid(rows, columns, indexing="ij"), axis=-1), tf.float32)
        grid = tf.meshgrid(tf.range(kernel[0]) * dilations[0], tf.range(kernel[1]) * dilations[1], indexing="ij")
        self.steps = tf.cast(tf.reshape(tf.stack(grid, axis=-1), (-1, 2)), tf.float32)

    def places(self, offsets, tap):
        """Places in cells of one tap, float32 (B, H', W', D, 2)."""
        return self.cells[:, :, None, :] + self.steps[tap] + offsets[:, :, :, :, tap]


def _convolve(inputs, weights, offsets, mask, grid):
    """Maps (B, H, W, C), weights (taps, G, C / G, F / G), offsets (B, H', W', D, taps, 2), mask (B, H', W', D, taps) ->
    (cells, G, F / G), for all cells of all images."""
    taps, groups, _, filters = weights.shape
    deform_groups, channels = offsets.shape[3], inputs.shape[-1]

    @tf.custom_gradient
    def convolve(inputs, weights, offsets, mask):
        table = _Table(inputs, deform_groups)
        cells = math.prod(_sizes(offsets)[:3])

        def by_groups(values):
            return tf.reshape(values, (-1, groups, channels // groups))

        def add_tap(tap, total):
            sampled = table.read(grid.places(offsets, tap)) * mask[:, :, :, :, tap, None]
            return total + tf.einsum("ngi,gio->ngo", by_groups(sampled), weights[tap])

        def gradient(upstream):
            def add_gradient(tap, to_table, to_weights, to_offsets, to_mask):
                corners = table.corners(grid.places(offsets, tap))
                values = [tf.gather(table.rows, corner.index) for corner in corners]
                share = mask[:, :, :, :, tap, None]
                read = tf.add_n([corner.weight * value for corner, value in zip(corners, values)])
                wanted = tf.einsum("ngo,gio->ngi", upstream, weights[tap])
                wanted = tf.reshape(wanted, tf.shape(read))
                to_weight = tf.einsum("ngi,ngo->gio", by_groups(read * share), upstream)
                pulls = [tf.reduce_sum(wanted * value, axis=-1, keepdims=True) for value in values]
                to_place = share * tf.add_n([corner.slope * pull for corner, pull in zip(corners, pulls)])
                to_share = tf.add_n([corner.weight * pull for corner, pull in zip(corners, pulls)])[..., 0]
                for corner in corners:
                    to_table = tf.tensor_scatter_nd_add(
                        to_table, corner.index[..., None], corner.weight * share * wanted
                    )
                return (
                    to_table,
                    tf.tensor_scatter_nd_update(to_weights, [[tap]], to_weight[None]),
                    tf.tensor_scatter_nd_update(to_offsets, [[tap]], to_place[None]),
                    tf.tensor_scatter_nd_update(to_mask, [[tap]], to_share[None]),
                )

            by_tap = (taps, *_sizes(mask)[:4])
            to_table, to_weights, to_offsets, to_mask = _for_each(
                taps,
                add_gradient,
                tf.zeros_like(table.rows),
                tf.zeros_like(weights),
                tf.zeros((*by_tap, 2)),
                tf.zeros(by_tap),
            )
            to_inputs = tf.reshape(to_table, tf.shape(inputs))
            to_offsets = tf.transpose(to_offsets, (1, 2, 3, 4, 0, 5))
            return to_inputs, to_weights, to_offsets, tf.transpose(to_mask, (1, 2, 3, 4, 0))

        zeros = tf.zeros((cells, groups, filters))
        return _for_each(taps, lambda tap, total: (add_tap(tap, total),), zeros)[0], gradient

    return convolve(inputs, weights, offsets, mask)


def _for_each(count, step, *state):
    """Runs `state = step(i, *state)` for i from 0, one at a time."""
    _, *state = tf.while_loop(
        lambda i, *_: i < count,
        lambda i, *state: (i + 1, *step(i, *state)),
        (tf.constant(0), *state),
        parallel_iterations=1,
        maximum_iterations=count,
    )
    return state


class _Corner:
    """One of the four cells around each place: row of the table, bilinear weight, and its slope in y and x."""

    def __init__(self, index, weight, slope):
        self.index, self.weight, self.slope = index, weight, slope


class _Table:
    """All cells of all maps as rows, one for each deformable group of channels."""

    def __init__(self, inputs, deform_groups):
        self.deform_groups = deform_groups
        self.shape = _sizes(inputs)
        self.rows = tf.reshape(inputs, (-1, inputs.shape[-1] // deform_groups))

    def corners(self, places):
        """The four `_Corner`s of places (B, H', W', D, 2)."""
        size = tf.stack(self.shape[1:3])
        # Far outside, a place has no value and no slope wherever it is; an integer must hold it.
        places = tf.clip_by_value(places, -2.0, tf.cast(size, tf.float32) + 1.0)
        low = tf.floor(places)
        fraction = places - low
        low = tf.cast(low, tf.int32)
        image = tf.reshape(tf.range(self.shape[0]), (-1, 1, 1, 1))
        group = tf.range(self.deform_groups)
        found = []
        for step in ((0, 0), (0, 1), (1, 0), (1, 1)):
            cell = low + tf.constant(step)
            inside = tf.reduce_all((cell >= 0) & (cell < size), axis=-1)
            y, x = tf.unstack(tf.clip_by_value(cell, 0, size - 1), axis=-1)
            index = ((image * size[0] + y) * size[1] + x) * self.deform_groups + group
            near = [fraction[..., i] if step[i] else 1.0 - fraction[..., i] for i in (0, 1)]
            signs = [1.0 if i else -1.0 for i in step]
            weight = near[0] * near[1]
            slope = tf.stack([signs[0] * near[1], signs[1] * near[0]], axis=-1)
            inside = tf.cast(inside, tf.float32)[..., None]
            found.append(_Corner(index, weight[..., None] * inside, slope * inside))
        return found

    def read(self, places):
        """Bilinear values at places (B, H', W', D, 2): float32 (B, H', W', D, C / D)."""
        return tf.add_n([corner.weight * tf.gather(self.rows, corner.index) for corner in self.corners(places)])


def _sizes(x):
    """Sides of a tensor: integers where the graph knows them."""
    return [dynamic if static is None else static for static, dynamic in zip(x.shape, tf.unstack(tf.shape(x)))]


def _pair(value):
    return (value, value) if isinstance(value, int) else tuple(value)
