"""Which instance lies over which: the canvas that is looked at, what it is taught, and the scores read from it."""

import tensorflow as tf

from panet_tf.ops.masks import paste_masks

MASK_THRESHOLD = 0.5


def instance_cells(masks, boxes, valid, *, size, stride=4):
    """The cells of a coarse canvas that each instance covers.

    A cell is covered where the pasted mask is at least 0.5 at its centre. An instance too small to cover any centre
    covers the cell that its own centre lies in, so that nothing is without a place.

    Args:
        masks: float or uint8 (B, N, m, m), 0 to 1, over each box.
        boxes: float (B, N, 4), yxyx in network pixels.
        valid: bool (B, N).
        size: (h, w), cells of the canvas; ints or scalar tensors.
        stride: pixels a cell. Defaults to 4.

    Returns:
        float32 (B, N, h, w), 0 or 1; zeros for what is not valid.
    """
    boxes = tf.cast(boxes, tf.float32) / float(stride)
    cells = paste_masks(masks, boxes, size) >= MASK_THRESHOLD
    centre = tf.floor((boxes[..., :2] + boxes[..., 2:]) / 2)
    limit = tf.cast(tf.stack(size), tf.float32) - 1.0
    centre = tf.cast(tf.clip_by_value(centre, 0.0, limit), tf.int32)
    own = tf.range(size[0])[:, None] == centre[..., 0, None, None]
    own &= tf.range(size[1])[None, :] == centre[..., 1, None, None]
    cells |= own & ~tf.reduce_any(cells, axis=(-2, -1), keepdims=True)
    return tf.stop_gradient(tf.cast(cells & valid[..., None, None], tf.float32))


def class_canvas(cells, classes, num_classes):
    """One channel per category, 1 where any of its instances lies (OANet, section 3.2 and figure 4).

    Args:
        cells: float32 (B, N, h, w), of `instance_cells`.
        classes: int32 (B, N), 1..K; 0 leaves an instance out.
        num_classes: int, K.

    Returns:
        float32 (B, h, w, K), 0 or 1.
    """
    channels = tf.one_hot(classes - 1, num_classes)
    return tf.minimum(tf.einsum("bnhw,bnk->bhwk", cells, channels), 1.0)


def ranking_labels(cells, classes, panoptic):
    """What a ranking map is taught: the category that shows, where instances are in conflict (OANet, section 4.2).

    Args:
        cells: float32 (B, N, h, w), of `instance_cells`, the instances in their slots.
        classes: int32 (B, N), 1..K, of the slots; 0 for those that count as no instance, crowds among them.
        panoptic: int32 (B, H / 4, W / 4), slot + 1 of the instance that shows, 0 for none. Brought to (h, w) by every
            n-th cell or by repetition.

    Returns:
        int32 (B, h, w), 0..K - 1; 255 where fewer than two instances lie or none of them shows.
    """
    height, width = tf.unstack(tf.shape(cells)[2:])
    for axis, side in ((1, height), (2, width)):
        places = (2 * tf.range(side) + 1) * tf.shape(panoptic)[axis] // (2 * side)
        panoptic = tf.gather(panoptic, places, axis=axis)
    shape = tf.shape(panoptic)
    classes = tf.pad(classes, [[0, 0], [1, 0]])
    shown = tf.reshape(tf.gather(classes, tf.reshape(panoptic, (shape[0], -1)), batch_dims=1), shape)
    present = tf.cast(classes[:, 1:, None, None] > 0, tf.float32)
    conflict = tf.reduce_sum(cells * present, axis=1) >= 2.0
    return tf.where(conflict & (shown > 0), shown - 1, 255)


def ranking_scores(probabilities, cells, classes, *, share_blobs=True):
    """The mean, over an instance's mask, of its category's probability in the ranking map: OANet's equation 3.

    The paper's equation 4 is printed inverted, with a mask indicator of 0 inside the instance and 1 outside; the text
    ("the average of pixel ranking scores in a mask") and this function have it the other way round.

    The canvas cannot tell instances of one category apart where they overlap: they are one blob of ones. With
    `share_blobs` all instances of a blob get its mean, weighted by their areas, and being equal are ordered by whatever
    breaks ties, the detection score. Without, each keeps its own mean.

    Args:
        probabilities: float32 (B, h, w, K), of the ranking map, normalised over the categories.
        cells: float32 (B, N, h, w), of `instance_cells`.
        classes: int32 (B, N), 1..K, 0 in empty slots.
        share_blobs: bool. Defaults to True.

    Returns:
        float32 (B, N), 0 to 1; 0 for instances without a cell.
    """
    columns = tf.one_hot(classes - 1, probabilities.shape[-1])
    totals = tf.reduce_sum(tf.einsum("bnhw,bhwk->bnk", cells, probabilities) * columns, axis=-1)
    areas = tf.reduce_sum(cells, axis=(-2, -1))
    if not share_blobs:
        return tf.math.divide_no_nan(totals, areas)
    blobs = _blobs(cells, classes)
    of_blob = tf.linalg.matvec(blobs, totals) / tf.maximum(tf.linalg.matvec(blobs, areas), 1.0)
    # Read at the blob's first instance: the same number to the last bit for all of them.
    return tf.gather(of_blob, tf.argmax(blobs, axis=-1, output_type=tf.int32), batch_dims=1)


def _blobs(cells, classes):
    """float32 (B, N, N), 1 for two instances of one category that overlap, themselves or by way of others."""
    number = cells.shape[1]
    flat = tf.reshape(cells, (tf.shape(cells)[0], number, -1))
    same = (classes[:, :, None] == classes[:, None, :]) & (tf.matmul(flat, flat, transpose_b=True) > 0.0)
    joined = tf.cast(same | tf.eye(number, dtype=tf.bool), tf.float32)
    for _ in range(max(number - 1, 1).bit_length()):  # paths of 1, 2, 4, ... steps
        joined = tf.minimum(tf.matmul(joined, joined), 1.0)
    return joined
