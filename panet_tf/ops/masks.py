"""Masks as small grids over boxes: training targets cut from them, and pasting them back into images.

Interpolation is separable, so both directions are two matrix products with no gather.
"""

import numpy as np
import tensorflow as tf

from panet_tf.ops.paste_window import paste_window


def _hat(positions, cells):
    """Linear interpolation as a matrix: positions (..., P), integers at cell centres -> weights (..., P, cells)."""
    return tf.maximum(1.0 - tf.abs(positions[..., None] - tf.range(cells, dtype=tf.float32)), 0.0)


def _sampling_matrix(low, high, frame_low, frame_high, size, cells, samples, max_samples):
    """Weights (B, R, size, cells) by which one axis of a mask over a frame is resampled in a RoI."""
    length = high - low
    cell = (frame_high - frame_low) / float(cells)
    if samples:
        number = tf.fill(tf.shape(low), float(samples))
    else:  # about one sample a cell, as RoIAlign's adaptive grid has it
        number = tf.math.ceil(tf.math.divide_no_nan(length, cell * float(size)))
        number = tf.clip_by_value(number, 1.0, float(max_samples))
    total = tf.zeros(tf.concat([tf.shape(low), [size, cells]], axis=0))
    for k in range(samples or max_samples):
        part = (k + 0.5) / number
        pixels = low[..., None] + (tf.range(size, dtype=tf.float32) + part[..., None]) * (length / size)[..., None]
        positions = tf.math.divide_no_nan(pixels - frame_low[..., None], cell[..., None]) - 0.5
        weights = _hat(tf.clip_by_value(positions, 0.0, float(cells - 1)), cells)
        inside = (pixels >= frame_low[..., None]) & (pixels <= frame_high[..., None]) & (cell > 0.0)[..., None]
        inside &= (float(k) < number)[..., None]
        total += tf.where(inside[..., None], weights, 0.0)
    return total / number[..., None, None]


def mask_targets(masks, frames, rois, indices, size, *, soft=False, samples=1, max_samples=8):
    """Cuts each RoI's target out of the mask of the object that it is matched with.

    Cell i of a mask of M cells covers `frame_y0 + [i, i + 1) * frame_height / M`. Bin j of the target takes the mask
    at the bin's centre (or the mean over `samples` points a side), interpolated linearly between cell centres,
    constant from the last centre to the frame's edge, and 0 outside the frame. Source: Mask R-CNN, section 3.1: the
    target is the intersection of RoI and mask.

    Args:
        masks: float or uint8 (B, N, M, M), 0 to 1, each over its frame.
        frames: float (B, N, 4), what a mask covers, yxyx in pixels: the object's box, or the whole image for
            full-size masks.
        rois: float (B, R, 4), yxyx in pixels.
        indices: int (B, R), into N.
        size: int, cells a side of the target (28).
        soft: bool, whether the interpolated values are returned; otherwise they are compared with 0.5. Defaults to
            False.
        samples: int, sampling points of a bin a side; 0 takes as many as the bin has cells of the mask, rounded up.
            Defaults to 1.
        max_samples: int, limit when `samples` is 0. Defaults to 8.

    Returns:
        float32 (B, R, size, size), 0 to 1; 0 or 1 unless `soft` (1 at 0.5 and above). Zeros for RoIs and frames
        without area.
    """
    if masks.shape[1] == 0:
        return tf.zeros(tf.concat([tf.shape(indices), [size, size]], axis=0))
    height, width = masks.shape[-2], masks.shape[-1]
    rois, frames = tf.stop_gradient(tf.cast(rois, tf.float32)), tf.cast(frames, tf.float32)
    matched = tf.cast(tf.gather(masks, indices, batch_dims=1), tf.float32)
    y0, x0, y1, x1 = tf.unstack(rois, axis=-1)
    frame_y0, frame_x0, frame_y1, frame_x1 = tf.unstack(tf.gather(frames, indices, batch_dims=1), axis=-1)
    rows = _sampling_matrix(y0, y1, frame_y0, frame_y1, size, height, samples, max_samples)
    columns = _sampling_matrix(x0, x1, frame_x0, frame_x1, size, width, samples, max_samples)
    targets = tf.matmul(tf.matmul(rows, matched), columns, transpose_b=True)
    has_area = ((y1 > y0) & (x1 > x0))[..., None, None]
    targets = tf.where(has_area, targets, 0.0)
    return targets if soft else tf.cast(targets >= 0.5, tf.float32)


def pasting_matrix(low, high, pixels, cells, first=0, *, whole_pixels=False):
    """One axis of pasting as a matrix; the mask in an image is `rows @ mask @ transpose(columns)`.

    Args:
        low: float32 (...,), where the mask's box begins along the axis, in pixels.
        high: float32 (...,), where it ends.
        pixels: int or scalar tensor, how many pixels are wanted.
        cells: int, of the mask along the axis.
        first: int or int32 scalar tensor, the first of those pixels. Defaults to 0.
        whole_pixels: False, True or `"inclusive"`: the older rule of Detectron and torchvision, see `paste_window`.
            Defaults to False.

    Returns:
        float32 (..., pixels, cells), weights that give the value at each pixel's centre, zero outside the box.
    """
    has_length, ring = (high > low)[..., None], 0
    if whole_pixels:
        high, ring = tf.maximum(high - 1.0, low) if whole_pixels == "inclusive" else high, 1
        middle, half = (high + low) * 0.5, (high - low) * 0.5 * ((cells + 2) / cells)
        low, high = _without_fraction(middle - half), _without_fraction(middle + half) + 1.0
    centres = tf.cast(first + tf.range(pixels), tf.float32) + 0.5
    scale = tf.math.divide_no_nan(float(cells + 2 * ring), high - low)
    weights = _hat((centres - low[..., None]) * scale[..., None] - 0.5 - ring, cells)
    inside = (centres >= low[..., None]) & (centres <= high[..., None]) & has_length
    return tf.where(inside[..., None], weights, 0.0)


def _without_fraction(x):
    return tf.sign(x) * tf.floor(tf.abs(x))


def paste_masks(masks, boxes, size, *, whole_pixels=False):
    """Probabilities at the pixels of an image from masks over boxes.

    Each pixel centre takes the m x m grid's value by bilinear interpolation between cell centres, with zeros around
    the grid, and 0 outside the box. Thresholded at 0.5 this is detectron2's `paste_masks_in_image` (`grid_sample`
    with `align_corners=False`). Source: Mask R-CNN, section 3.1 (inference); detectron2, `layers/mask_ops.py`.

    Args:
        masks: float (..., D, m, m), probabilities inside each box.
        boxes: float (..., D, 4), yxyx in pixels of the image; may reach out of it.
        size: (height, width) of the image, ints.
        whole_pixels: as in `pasting_matrix`. Defaults to False.

    Returns:
        float32 (..., D, height, width). Zeros for boxes without area.
    """
    masks = tf.cast(masks, tf.float32)
    y0, x0, y1, x1 = tf.unstack(tf.cast(boxes, tf.float32), axis=-1)
    rows = pasting_matrix(y0, y1, size[0], masks.shape[-2], whole_pixels=whole_pixels)
    columns = pasting_matrix(x0, x1, size[1], masks.shape[-1], whole_pixels=whole_pixels)
    return tf.matmul(tf.matmul(rows, masks), columns, transpose_b=True)


def paste_masks_numpy(masks, boxes, size, threshold=0.5, *, whole_pixels=False):
    """`paste_masks(...) >= threshold` in NumPy, each mask worked out in its box's window only.

    For evaluators and pictures, after the graph: full-size arrays are boolean, and detections cost what their boxes
    cover.

    Args:
        masks: float (D, m, m), probabilities inside each box.
        boxes: float (D, 4), yxyx in pixels of the image; may reach out of it.
        size: (height, width) of the image.
        threshold: float, above 0. Defaults to 0.5.
        whole_pixels: False, True or `"inclusive"`, see `paste_window`. Defaults to False.

    Returns:
        NumPy bool (D, height, width).
    """
    pasted = np.zeros((len(masks), *size), bool)
    for image, mask, box in zip(pasted, masks, boxes):
        window, top, left = paste_window(mask, box, size, whole_pixels=whole_pixels)
        image[top : top + window.shape[0], left : left + window.shape[1]] = window >= threshold
    return pasted
