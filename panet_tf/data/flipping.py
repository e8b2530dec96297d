"""Mirrors of a sample: image, boxes, mask grids, keypoints and segment map together.

A sample in the pipeline is a flat dict: `image` (h, w, 3), `boxes` float32 (n, 4) yxyx in pixels of that image,
`masks` uint8 (n, M, M) over the boxes, `keypoints` float32 (n, J, 3) of (y, x, visibility) where the data set has
them, `panoptic` (h, w, 1) where it has a segment map, `proposals` float32 (p, 4) where a file gives them, and what
stays as it is (`classes`, `is_crowd`, `segments`, ...).
Pixel j of a row covers [j, j + 1), so a mirror takes x to width - x.
"""

import tensorflow as tf

from panet_tf.ops.boxes import flip_boxes


def flip_left_right(sample, swaps=None):
    """Mirrors a sample at its vertical middle line.

    Args:
        sample: dict as above.
        swaps: None or ints (J,) or (n, J), for all objects or each: keypoint j of the result is keypoint swaps[j] of
            the sample (left eye and right eye change their names in a mirror). None: names stay.

    Returns:
        A new dict.
    """
    width = tf.cast(tf.shape(sample["image"])[1], tf.float32)
    flipped = {
        **sample,
        "image": tf.reverse(sample["image"], axis=(1,)),
        **_on_boxes(sample, lambda boxes: flip_boxes(boxes, width)),
        "masks": tf.reverse(sample["masks"], axis=(2,)),
    }
    if "keypoints" in sample:
        y, x, visibility = tf.unstack(sample["keypoints"], axis=-1)
        flipped["keypoints"] = _renamed(_where_labelled(y, width - x, visibility), swaps)
    return _with_map(flipped, tf.reverse, axis=(1,))


def flip_up_down(sample, swaps=None):
    """Mirrors a sample at its horizontal middle line; arguments as `flip_left_right`."""
    height = tf.cast(tf.shape(sample["image"])[0], tf.float32)

    def upside_down(boxes):
        return tf.stack([height - boxes[:, 2], boxes[:, 1], height - boxes[:, 0], boxes[:, 3]], axis=-1)

    flipped = {
        **sample,
        "image": tf.reverse(sample["image"], axis=(0,)),
        **_on_boxes(sample, upside_down),
        "masks": tf.reverse(sample["masks"], axis=(1,)),
    }
    if "keypoints" in sample:
        y, x, visibility = tf.unstack(sample["keypoints"], axis=-1)
        flipped["keypoints"] = _renamed(_where_labelled(height - y, x, visibility), swaps)
    return _with_map(flipped, tf.reverse, axis=(0,))


def transpose(sample):
    """Mirrors a sample at its main diagonal: rows become columns. Keypoints keep their names."""
    flipped = {
        **sample,
        "image": tf.transpose(sample["image"], (1, 0, 2)),
        **_on_boxes(sample, lambda boxes: tf.gather(boxes, (1, 0, 3, 2), axis=-1)),
        "masks": tf.transpose(sample["masks"], (0, 2, 1)),
    }
    if "keypoints" in sample:
        flipped["keypoints"] = tf.gather(sample["keypoints"], (1, 0, 2), axis=-1)
    return _with_map(flipped, tf.transpose, perm=(1, 0, 2))


def _on_boxes(sample, flip):
    """Boxes of objects, and of proposals where there are any."""
    return {key: flip(sample[key]) for key in ("boxes", "proposals") if key in sample}


def _with_map(sample, flip, **how):
    return {**sample, "panoptic": flip(sample["panoptic"], **how)} if "panoptic" in sample else sample


def _where_labelled(y, x, visibility):
    # A point that nobody labelled is (0, 0, 0) and stays so.
    return tf.where((visibility > 0)[..., None], tf.stack([y, x, visibility], axis=-1), 0.0)


def _renamed(keypoints, swaps):
    if swaps is None:
        return keypoints
    swaps = tf.convert_to_tensor(swaps)
    return tf.gather(keypoints, swaps, axis=1, batch_dims=swaps.shape.rank - 1)
