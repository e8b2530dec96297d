"""Instance masks as small grids over their boxes: how a mask travels through the pipeline.

A mask is sampled (nearest pixel) at the centres of a 112 x 112 grid over its box, so that a batch never holds masks of
full size, and resizing an image leaves its masks as they are. On disk and between a source and the pipeline eight
samples share a byte (`np.packbits` along the last axis).
"""

import numpy as np
import tensorflow as tf

GRID_SIZE = 112


def sample_mask(mask, box, grid_size=GRID_SIZE):
    """Samples a mask of full size at the centres of a grid over a box (NumPy).

    Args:
        mask: (height, width), 0 or not.
        box: four numbers, yxyx in pixels; parts outside the mask count as 0.
        grid_size: int, samples a side. Defaults to 112.

    Returns:
        uint8 (grid_size, grid_size), 0 or 1.
    """
    height, width = mask.shape
    top, left, bottom, right = (float(edge) for edge in box)
    centres = (np.arange(grid_size) + 0.5) / grid_size
    rows = np.floor(top + centres * (bottom - top)).astype(np.int64)
    columns = np.floor(left + centres * (right - left)).astype(np.int64)
    inside = ((rows >= 0) & (rows < height))[:, None] & ((columns >= 0) & (columns < width))
    grid = mask[np.clip(rows, 0, height - 1)[:, None], np.clip(columns, 0, width - 1)]
    return ((grid != 0) & inside).astype(np.uint8)


def pack_masks(grids):
    """Packs uint8 grids (..., M, M) of 0 and 1 into (..., M, M / 8) bytes (NumPy)."""
    return np.packbits(np.asarray(grids, np.uint8), axis=-1)


def unpack_masks(packed):
    """Undoes `pack_masks` inside a TensorFlow graph.

    Args:
        packed: uint8 tensor (n, M, M / 8), the first sample in the highest bit.

    Returns:
        uint8 tensor (n, M, M), 0 or 1.
    """
    packed = tf.convert_to_tensor(packed)
    bits = tf.bitwise.right_shift(packed[..., None], tf.constant([7, 6, 5, 4, 3, 2, 1, 0], tf.uint8))
    rows, packed_columns = packed.shape[-2], packed.shape[-1]
    return tf.reshape(tf.bitwise.bitwise_and(bits, tf.constant(1, tf.uint8)), (-1, rows, packed_columns * 8))


def resample_masks(grids, frames, boxes):
    """Samples grids that cover `frames` anew over `boxes`, to the nearest of the old samples.

    Sample i of a side lies at start + (i + 0.5) * length / M in both frames, so that no half cell is lost, and a box
    equal to its frame gives the grid back unchanged. What lies outside a frame is 0.

    Args:
        grids: uint8 tensor (n, M, M).
        frames: float32 tensor (n, 4), yxyx: what each grid covers.
        boxes: float32 tensor (n, 4), yxyx in the same pixels: what the result covers.

    Returns:
        uint8 tensor (n, M, M).
    """
    size = grids.shape[-1]
    centres = (tf.range(size, dtype=tf.float32) + 0.5) / size

    def axis_indices(start):
        frame_start, frame_length = frames[:, start], frames[:, start + 2] - frames[:, start]
        box_start, box_length = boxes[:, start], boxes[:, start + 2] - boxes[:, start]
        position = tf.math.divide_no_nan(
            box_start[:, None] - frame_start[:, None] + centres * box_length[:, None], frame_length[:, None]
        )
        index = tf.cast(tf.floor(position * size), tf.int32)
        return tf.clip_by_value(index, 0, size - 1), tf.logical_and(index >= 0, index < size)

    rows, row_inside = axis_indices(0)
    columns, column_inside = axis_indices(1)
    grids = tf.gather(tf.gather(grids, rows, axis=1, batch_dims=1), columns, axis=2, batch_dims=1)
    inside = tf.logical_and(row_inside[:, :, None], column_inside[:, None, :])
    return tf.where(inside, grids, tf.zeros_like(grids))
