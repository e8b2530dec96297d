"""What a detector takes: the one flat dict of a batch, made whole."""

import tensorflow as tf

from panet_tf.ops.xla import in_xla_context


def complete_inputs(inputs):
    """The inputs as a dict that has every key the model reads; an image alone stands for its whole canvas at scale 1.

    Args:
        inputs: dict with at least `"images"`, or the images themselves, float (B, H, W, 3), normalised.

    Returns:
        Dict with `images`, `image_sizes`, `original_sizes`, `scales`, `offsets`, `image_ids`, `is_crowd` if there are
        classes, and whatever else came in.

    Raises:
        ValueError: if the images are whole numbers, or their sides are known and no multiples of 32.
    """
    inputs = dict(inputs) if isinstance(inputs, dict) else {"images": inputs}
    images = inputs["images"]
    if not tf.as_dtype(images.dtype).is_floating:
        raise ValueError(
            "images must be normalised floats, (pixels - mean) / std as panet_tf.DetectionData gives them, received "
            f"{tf.as_dtype(images.dtype).name}. Give pixels to panet_tf.Predictor, which normalises them."
        )
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


def count_images(inputs):
    """Images of a batch that are no padding (`image_ids` below 0), float32 scalar."""
    if "image_ids" in inputs:
        return tf.reduce_sum(tf.cast(inputs["image_ids"] >= 0, tf.float32))
    return tf.cast(tf.shape(inputs["images"])[0], tf.float32)


def check_classes(classes, categories):
    """The classes, once it is known that each is one of the model's.

    Under XLA, which has no assertions, they pass unseen.

    Args:
        classes: int (B, N), 0 or the class of each slot.
        categories: the model's, K dicts with `"name"`.

    Returns:
        `classes`. Where one lies outside of 0..K, using it is a `tf.errors.InvalidArgumentError` that names the rule.
    """
    if in_xla_context():
        return classes
    names = ", ".join(str(category["name"]) for category in categories)
    rule = (  # no quotes: a graph writes them with backslashes
        f"classes must be from 0 (an empty slot) to {len(categories)}, the number of categories that the model has "
        f"({names:.300}), and the data have others: panet_tf.training.check_categories_match(model, data) says which. "
        "Received classes"
    )
    with tf.device("CPU:0"):  # where the data come from: the accelerator need not wait for the answer
        known = tf.reduce_all((classes >= 0) & (classes <= len(categories)))
        assertion = tf.debugging.Assert(known, [rule, tf.reduce_min(classes), "to", tf.reduce_max(classes)])
    with tf.control_dependencies([] if assertion is None else [assertion]):  # None when eager
        return tf.identity(classes)
