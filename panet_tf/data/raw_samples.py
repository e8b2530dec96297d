"""What a source hands to the pipeline, and what the pipeline makes of it first.

A **raw sample** is a dict of tensors of one image:

    {"image": uint8 (h, w, 3), "image_id": int64,
     "objects": {"box": float32 (n, 4), yxyx in pixels, "class": int32 (n,), 1..K, "is_crowd": bool (n,),
                 "mask": uint8 (n, 112, 14), packed samples over each box (see `mask_grids`),
                 "keypoints": float32 (n, J, 3), y, x, visibility; where the data set has them}}

What else it holds (ids, areas, run lengths, maps) is for others. Inside the pipeline it becomes a flat **sample**:
`image`, `boxes`, `classes`, `is_crowd`, `masks` uint8 (n, 112, 112), `offset` float32 (2,), and `keypoints`.
"""

import tensorflow as tf

from panet_tf.data.mask_grids import GRID_SIZE, unpack_masks


def checked(raw):
    """The part of a raw sample that the pipeline uses, its dtypes and shapes made sure of."""
    objects = raw["objects"]
    kept = {
        "box": tf.ensure_shape(tf.cast(objects["box"], tf.float32), (None, 4)),
        "class": tf.ensure_shape(tf.cast(objects["class"], tf.int32), (None,)),
        "is_crowd": tf.ensure_shape(objects["is_crowd"], (None,)),
        "mask": tf.ensure_shape(objects["mask"], (None, GRID_SIZE, GRID_SIZE // 8)),
    }
    if "keypoints" in objects:
        kept["keypoints"] = tf.ensure_shape(tf.cast(objects["keypoints"], tf.float32), (None, None, 3))
    return {
        "image": tf.ensure_shape(raw["image"], (None, None, 3)),
        "image_id": tf.ensure_shape(tf.cast(raw["image_id"], tf.int64), ()),
        "objects": kept,
    }


def blank(spec):
    """A tensor of zeros for a `tf.TensorSpec`, with nothing along the sides that are not known; -1 for ids (int64)."""
    shape = [side or 0 for side in spec.shape]
    return tf.fill(shape, tf.cast(-1 if spec.dtype == tf.int64 else 0, spec.dtype))


def to_sample(raw):
    """A checked raw sample -> the flat sample that augmentations work on."""
    objects = raw["objects"]
    sample = {
        "image": raw["image"],
        "boxes": objects["box"],
        "classes": objects["class"],
        "is_crowd": objects["is_crowd"],
        "masks": unpack_masks(objects["mask"]),
        "offset": tf.zeros(2),
    }
    if "keypoints" in objects:
        sample["keypoints"] = objects["keypoints"]
    return sample
