"""From samples of any size to batches of fixed shapes."""

import tensorflow as tf

from panet_tf.data.mask_grids import GRID_SIZE
from panet_tf.data.pad import STRIDE
from panet_tf.data.panoptic_targets import no_panoptic_targets


def check_canvases(canvases):
    """Returns canvases as a tuple of pairs of ints.

    Raises:
        ValueError: without canvases, or with a side that is not a multiple of 32.
    """
    pairs = [canvas for canvas in canvases if isinstance(canvas, (tuple, list)) and len(canvas) == 2]
    if not pairs or len(pairs) < len(canvases):  # (512, 512) is what people write for ((512, 512),)
        raise ValueError(f"`canvases` must be a tuple of (height, width), as ((512, 512),), received {canvases}.")
    canvases = tuple(tuple(int(side) for side in canvas) for canvas in pairs)
    for canvas in canvases:
        if min(canvas) < STRIDE or any(side % STRIDE for side in canvas):
            raise ValueError(
                f"images must have sides that are multiples of {STRIDE} (the stride of level 5), received {canvas}. "
                "Choose such sides for `canvases`; images are padded to them."
            )
    return canvases


def group_by_canvas(records, batch_size, num_canvases, padding=None):
    """Orders records so that each `batch_size` that follow one another share a canvas.

    A batch leaves as soon as it is full, so the order depends on the records alone. Records wait as they are: group
    before images are read, and what waits is small.

    Args:
        records: `tf.data.Dataset` of dicts with `canvas`, int64 scalar.
        batch_size: int.
        num_canvases: int.
        padding: None (endless records) or a function of a canvas, int64 scalar, that gives the record that fills the
            last batch of this canvas.

    Returns:
        `tf.data.Dataset` of the same structure.
    """
    if num_canvases == 1 and padding is None:
        return records

    def full(canvas, window):
        if padding is None:
            return window
        return window.concatenate(tf.data.Dataset.from_tensors(padding(canvas)).repeat(batch_size)).take(batch_size)

    return records.group_by_window(lambda record: record["canvas"], full, window_size=batch_size)


def count_batches(records, batch_size, num_canvases):
    """Batches that `group_by_canvas` makes of records that end, with padding: each canvas has its own last one.

    Args:
        records: `tf.data.Dataset` of dicts with `canvas`, int64 scalar.
        batch_size: int.
        num_canvases: int.

    Returns:
        int.
    """
    counts = records.reduce(
        tf.zeros((num_canvases,), tf.int64),
        lambda counts, record: counts + tf.one_hot(record["canvas"], num_canvases, dtype=tf.int64),
    )
    return sum(-(-int(count) // batch_size) for count in counts)


def random_subset(count, max_count, seed):
    """int32 positions below `count`, at most `max_count` of them, drawn at random by an int32 (2,) seed, increasing."""
    noise = tf.random.stateless_uniform((count,), seed)
    chosen = tf.math.top_k(noise, tf.minimum(count, max_count)).indices
    return tf.sort(chosen)


def pad_instances(instances, slots):
    """Pads a dict of tensors (n, ...), n <= slots, to (slots, ...) with zeros (False): class 0 is an empty slot."""

    def padded(value):
        missing = slots - tf.shape(value)[0]
        filled = tf.pad(value, [(0, missing)] + [(0, 0)] * (value.shape.rank - 1))
        return tf.ensure_shape(filled, (slots, *value.shape[1:]))

    return {key: padded(value) for key, value in instances.items()}


def fill_slots(instances, slots, seed, counted):
    """Instances with an area, a random subset of them where they are too many, padded to the slots.

    Args:
        instances: dict of tensors (n, ...), `boxes` among them.
        slots: int.
        seed: int32 (2,).
        counted: function of the number of instances that gives it back; called where they are too many.

    Returns:
        Dict of tensors (slots, ...).
    """
    top, left, bottom, right = tf.unstack(instances["boxes"], axis=-1)
    # Not (bottom <= top), so that a NaN goes too.
    with_area = tf.cast(tf.where(tf.logical_and(bottom > top, right > left))[:, 0], tf.int32)
    count = tf.shape(with_area)[0]
    keep = tf.cond(
        count > slots,
        lambda: tf.gather(with_area, random_subset(counted(count), slots, seed)),
        lambda: with_area,
    )
    return pad_instances({name: tf.gather(value, keep) for name, value in instances.items()}, slots)


def pad_to_canvas(image, canvas):
    """Pads an image (h, w, 3) with zeros at the bottom and the right to an int32 (2,) canvas."""
    missing = canvas - tf.shape(image)[:2]
    return tf.pad(image, [(0, missing[0]), (0, missing[1]), (0, 0)])


def padding_example(canvas, slots, num_keypoints=None, panoptic=False):
    """What fills a place without an image: zeros all over the canvas, no instances, and the id -1.

    Args:
        canvas: int32 tensor (2,), height and width.
        slots: int, annotation slots.
        num_keypoints: None or int: without or with `keypoints`.
        panoptic: bool, with `semantic` and `panoptic`. Defaults to False.

    Returns:
        Dict of tensors, the keys of a batch.
    """
    size = tf.cast(canvas, tf.float32)
    example = {
        "images": tf.zeros(tf.concat([canvas, (3,)], axis=0)),
        "image_sizes": size,
        "original_sizes": size,
        "scales": tf.ones(2),  # Divided by, so not zero.
        "offsets": tf.zeros(2),
        "image_ids": tf.constant(-1, tf.int64),
        "boxes": tf.zeros((slots, 4)),
        "classes": tf.zeros((slots,), tf.int32),
        "is_crowd": tf.zeros((slots,), tf.bool),
        "masks": tf.zeros((slots, GRID_SIZE, GRID_SIZE), tf.uint8),
    }
    if num_keypoints is not None:
        example["keypoints"] = tf.zeros((slots, num_keypoints, 3))
    return {**example, **no_panoptic_targets(canvas)} if panoptic else example
