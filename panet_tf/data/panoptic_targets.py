"""What a panoptic network learns from, at a quarter of the canvas: semantic classes, and which instance shows where.

A **segment map** holds a number for each pixel of an image, 0 for what nobody labelled, s for the s-th segment. It
stays as large as the image that it belongs to, in 8 or 16 bits, until it is read here, once, at the cells' centres: no
map is ever resized.
"""

import tensorflow as tf

from panet_tf.ops.semantic_classes import IGNORE

STRIDE = 4


def panoptic_targets(segment_map, shown_size, canvas, *, segment_labels, slot_segments):
    """Reads a segment map at the centre of each 4 x 4 cell of a canvas.

    The centre of cell i lies at 4 i + 2 pixels of the canvas, and takes the pixel of the map that it falls into,
    `floor((4 i + 2) * map's side / shown side)`, in whole numbers and so without rounding.

    Args:
        segment_map: uint8 or uint16 (h, w, 1), what is shown of an image, before it is resized.
        shown_size: int32 (2,), height and width that it is resized to.
        canvas: int32 (2,), height and width that it is padded to, multiples of 4.
        segment_labels: int32 (S + 1,), semantic class of each segment number; [0] is what has none.
        slot_segments: int32 (N,), segment number of the instance in each annotation slot, 0 for none.

    Returns:
        Dict of `semantic` int32 (H/4, W/4), 255 where there is no image and no label, and `panoptic` int32 (H/4, W/4),
        slot + 1 of the instance that shows, 0 where none does.
    """
    cells = canvas // STRIDE
    size = tf.shape(segment_map)[:2]

    def positions(axis):
        centres = tf.range(cells[axis]) * STRIDE + STRIDE // 2
        # 64 bits: a scan of 50,000 pixels on a canvas as large would overflow 32.
        pixel = tf.cast(centres, tf.int64) * tf.cast(size[axis], tf.int64) // tf.cast(shown_size[axis], tf.int64)
        return tf.minimum(tf.cast(pixel, tf.int32), size[axis] - 1), centres < shown_size[axis]

    rows, row_inside = positions(0)
    columns, column_inside = positions(1)
    numbers = tf.cast(tf.gather(tf.gather(segment_map[..., 0], rows), columns, axis=1), tf.int32)
    numbers = tf.where(tf.logical_and(row_inside[:, None], column_inside), numbers, 0)
    slots = tf.range(1, tf.shape(slot_segments)[0] + 1)
    slot_of = tf.tensor_scatter_nd_update(tf.zeros_like(segment_labels), slot_segments[:, None], slots)
    return {
        "semantic": tf.gather(segment_labels, numbers),
        "panoptic": tf.where(numbers > 0, tf.gather(slot_of, numbers), 0),  # empty slots wrote to place 0
    }


def no_panoptic_targets(canvas):
    """Targets of a padding image: nothing is labelled, nowhere is an instance."""
    cells = canvas // STRIDE
    return {"semantic": tf.fill(cells, IGNORE), "panoptic": tf.zeros(cells, tf.int32)}
