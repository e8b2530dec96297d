"""What a source hands to the pipeline, and what the pipeline makes of it first.

A **raw sample** is a dict of tensors of one image:

    {"image": uint8 (h, w, 3), "image_id": int64,
     "objects": {"box": float32 (n, 4), yxyx in pixels, "class": int32 (n,), 1..K, "is_crowd": bool (n,),
                 "mask": uint8 (n, 112, 14), packed samples over each box (see `mask_grids`),
                 "keypoints": float32 (n, J, 3), y, x, visibility; where the data set has them,
                 "segment": int32 (n,), number in the map below, 0 for none; of panoptic data},
     "panoptic": uint8 or uint16 (h, w, 1), number of the segment that shows, 1..S, 0 where nobody labelled,
     "segments": {"category": int32 (S,), 1..P, place in the source's `panoptic_categories`}; of panoptic data}

What else it holds (ids, areas, run lengths) is for others. Inside the pipeline it becomes a flat **sample**: `image`,
`boxes`, `classes`, `is_crowd`, `masks` uint8 (n, 112, 112), `offset` float32 (2,), `keypoints`, and of panoptic data
`segments` int32 (n,) and the map, `panoptic` (h, w, 1).
"""

import tensorflow as tf

from panet_tf.data.mask_grids import GRID_SIZE, unpack_masks


def checked(raw, panoptic=False):
    """The part of a raw sample that the pipeline uses, its dtypes and shapes made sure of; maps where asked for."""
    objects = raw["objects"]
    kept = {
        "box": tf.ensure_shape(tf.cast(objects["box"], tf.float32), (None, 4)),
        "class": tf.ensure_shape(tf.cast(objects["class"], tf.int32), (None,)),
        "is_crowd": tf.ensure_shape(objects["is_crowd"], (None,)),
        "mask": tf.ensure_shape(objects["mask"], (None, GRID_SIZE, GRID_SIZE // 8)),
    }
    if "keypoints" in objects:
        kept["keypoints"] = tf.ensure_shape(tf.cast(objects["keypoints"], tf.float32), (None, None, 3))
    sample = {
        "image": tf.ensure_shape(raw["image"], (None, None, 3)),
        "image_id": tf.ensure_shape(tf.cast(raw["image_id"], tf.int64), ()),
        "objects": kept,
    }
    if panoptic:
        kept["segment"] = tf.ensure_shape(tf.cast(objects["segment"], tf.int32), (None,))
        sample["panoptic"] = tf.ensure_shape(raw["panoptic"], (None, None, 1))
        sample["segments"] = {"category": tf.ensure_shape(tf.cast(raw["segments"]["category"], tf.int32), (None,))}
    return sample


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
    if "panoptic" in raw:
        sample["panoptic"], sample["segments"] = raw["panoptic"], objects["segment"]
    return sample
