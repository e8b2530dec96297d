"""Anchors: the boxes that a region proposal network or a dense detector starts from."""

import numpy as np
import tensorflow as tf

from panet_tf.ops.fpn_level import level_stride


def _per_level(value, levels, name):
    """The entries of `value` (a dict by level, or a sequence in the order of the levels) as a list."""
    if isinstance(value, dict):
        missing = [level for level in levels if level not in value]
        if missing:
            raise ValueError(f"anchors: {name} must name every level, missing {missing}, received {sorted(value)}.")
        return [value[level] for level in levels]
    value = list(value)
    if len(value) != len(levels):
        raise ValueError(f"anchors: {name} must have one entry for each level of {list(levels)}, received {value}.")
    return value


def cell_anchors(sizes, *, ratios=(0.5, 1.0, 2.0), scales_per_octave=1, rounding=False, stride=None):
    """Anchors of one cell, centred on the origin.

    Args:
        sizes: number or tuple of numbers, side in pixels of the square whose area an anchor has.
        ratios: tuple of numbers, height / width. Defaults to (0.5, 1, 2).
        scales_per_octave: int n; each size is also taken times 2^(1/n) .. 2^((n-1)/n). Defaults to 1.
        rounding: False; True or `"size"`: half-extents are rounded to whole pixels, as torchvision has it; `"stride"`:
            the sides of a square of one stride are, before they are scaled to the size, as Detectron has it (48 x 24,
            32 x 32 and 24 x 48 of size 32 at stride 4). Defaults to False.
        stride: number of pixels, for `"stride"` only.

    Returns:
        NumPy float32 (A, 4), yxyx in pixels; sizes and scales outermost, ratios innermost.

    Raises:
        ValueError: for another rounding, or for `"stride"` without a stride that is a number.
    """
    check_rounding(rounding)
    sizes = np.atleast_1d(np.asarray(sizes, np.float64))
    sizes = (sizes[:, None] * 2.0 ** (np.arange(scales_per_octave) / scales_per_octave)).reshape(-1)
    ratios = np.asarray(ratios, np.float64)
    heights, widths = np.sqrt(ratios), 1 / np.sqrt(ratios)
    if rounding == "stride":
        if not isinstance(stride, (int, float, np.number)):
            raise ValueError(f'rounding="stride" needs strides that are numbers, received {stride!r}.')
        widths = np.round(stride * widths)
        heights, widths = np.round(widths * ratios) / stride, widths / stride
    half_h = 0.5 * (sizes[:, None] * heights).reshape(-1)
    half_w = 0.5 * (sizes[:, None] * widths).reshape(-1)
    boxes = np.stack([-half_h, -half_w, half_h, half_w], axis=-1)
    return (np.round(boxes) if rounding in (True, "size") else boxes).astype(np.float32)


def check_rounding(rounding):
    """Raises a `ValueError` unless `rounding` is False, True, `"size"` or `"stride"`."""
    if rounding not in (False, True, "size", "stride"):
        raise ValueError(f'rounding must be False, True, "size" or "stride", received {rounding!r}.')


def anchors(
    feature_sizes, *, sizes, ratios=(0.5, 1.0, 2.0), scales_per_octave=1, offset=0.5, rounding=False, strides=None
):
    """Anchors of a feature pyramid.

    Cell (i, j) of a level of stride s has its anchors' centre at ((i + offset) * s, (j + offset) * s).
    Source: Faster R-CNN, section 3.1.1; one size a level as in Feature Pyramid Networks, section 4.1.

    Args:
        feature_sizes: dict from level to (height, width) in cells, ints or scalar tensors.
        sizes: dict from level, or sequence in the order of `feature_sizes`, of a number or a tuple of numbers: sides
            in pixels of the squares whose areas the anchors have.
        ratios: tuple of numbers, height / width. Defaults to (0.5, 1, 2).
        scales_per_octave: int n; each size is also taken times 2^(1/n) .. 2^((n-1)/n). RetinaNet uses 3. Defaults to 1.
        offset: number, place of the centre in its cell. Defaults to 0.5, the middle; detectron2 and torchvision have 0.
        rounding: False, True or `"size"` (torchvision), or `"stride"` (Detectron), as in `cell_anchors`. Defaults to
            False.
        strides: dict from level, or sequence, of a number or a (y, x) pair, in pixels. Defaults to 2^n for a level
            whose name ends in n.

    Returns:
        dict from level to float32 (height * width * A, 4), yxyx in pixels: cells row by row, in each cell sizes (and
        their scales) outermost and ratios innermost.

    Raises:
        ValueError: if a level has no size or no stride.

    Example:
        >>> anchors({"P2": (2, 2)}, sizes={"P2": 32}, ratios=(1.0,))["P2"][1].numpy()
        array([-14., -10.,  18.,  22.], dtype=float32)
    """
    levels = tuple(feature_sizes)
    sizes = _per_level(sizes, levels, "sizes")
    if strides is None:
        strides = {level: level_stride(level) for level in levels}
    strides = _per_level(strides, levels, "strides")
    result = {}
    for level, size, stride in zip(levels, sizes, strides):
        height, width = feature_sizes[level]
        stride_y, stride_x = stride if isinstance(stride, (tuple, list)) else (stride, stride)
        base = cell_anchors(
            size, ratios=ratios, scales_per_octave=scales_per_octave, rounding=rounding, stride=stride_y
        )
        y = (tf.cast(tf.range(height), tf.float32) + offset) * tf.cast(stride_y, tf.float32)
        x = (tf.cast(tf.range(width), tf.float32) + offset) * tf.cast(stride_x, tf.float32)
        y, x = tf.meshgrid(y, x, indexing="ij")
        centres = tf.stack([y, x, y, x], axis=-1)[:, :, None, :]
        result[level] = tf.reshape(centres + base, (-1, 4))
    return result
