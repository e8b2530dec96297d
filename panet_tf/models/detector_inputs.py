"""What a detector takes: the one flat dict of a batch, made whole."""

import tensorflow as tf


def complete_inputs(inputs):
    """The inputs as a dict that has every key the model reads; an image alone stands for its whole canvas at scale 1.

    Args:
        inputs: dict with at least `"images"`, or the images themselves, float (B, H, W, 3).

    Returns:
        Dict with `images`, `image_sizes`, `original_sizes`, `scales`, `offsets`, `image_ids`, `is_crowd` if there are
        classes, and whatever else came in.

    Raises:
        ValueError: if the images' sides are known and no multiples of 32.
    """
    inputs = dict(inputs) if isinstance(inputs, dict) else {"images": inputs}
    images = inputs["images"]
    height, width = images.shape[1:3]
    if any(side is not None and side % 32 for side in (height, width)):
        raise ValueError(
            "images must have sides that are multiples of 32 (the stride of level 5), "
            f"received ({height}, {width}). Pad with panet_tf.data.pad_to_stride."
        )
    shape = tf.shape(images)
    canvas = tf.cast(tf.tile(shape[None, 1:3], [shape[0], 1]), tf.float32)
    inputs.setdefault("image_sizes", canvas)
    inputs.setdefault("scales", tf.ones_like(canvas))
    inputs.setdefault("offsets", tf.zeros_like(canvas))
    inputs.setdefault("original_sizes", tf.round(inputs["image_sizes"] / inputs["scales"]))
    inputs.setdefault("image_ids", tf.cast(tf.range(shape[0]), tf.int64))
    if "classes" in inputs:
        inputs.setdefault("is_crowd", tf.zeros_like(inputs["classes"], tf.bool))
    return inputs


def without_padding_images(labels, inputs):
    """Labels (B, S) with -1 for everything in the padding images (`image_ids` below 0) that fill up a last batch."""
    return tf.where(inputs["image_ids"][:, None] >= 0, labels, -1)
