"""Cutting a window out of a sample: image, boxes, mask grids and keypoints together."""

import tensorflow as tf

from panet_tf.data.mask_grids import resample_masks


def crop_sample(sample, window, min_visible=0.1):
    """Cuts a window out of a sample; instances at its edge are cut, those that hardly show are dropped.

    How much of an instance shows is counted on its mask. A box that is cut is clipped to the window and then drawn in
    to what is left of its mask (to one cell of the mask's grid), as annotators would draw it; its mask is sampled
    anew over the new box. A box inside the window stays exactly as it is.

    Args:
        sample: dict with `image` (h, w, 3), `boxes` (n, 4), `masks` (n, M, M), `classes`, `is_crowd`, optional
            `keypoints` (n, J, 3), `segments` (n,) and `panoptic` (h, w, 1), and `offset` float32 (2,), where the image
            lies in the original one.
        window: int32 (4,): top, left, height, width, inside the image.
        min_visible: share of an instance that must show for it to stay. Crowds stay whatever shows. Defaults to 0.1.

    Returns:
        A new dict; `offset` has moved by the window's corner. Keypoints outside the window become (0, 0, 0). The
        segment map keeps the pixels of instances that were dropped: no slot will have their numbers.
    """
    top, left, height, width = tf.unstack(window)
    image = sample["image"][top : top + height, left : left + width]
    corner = tf.cast(window[:2], tf.float32)
    limits = tf.tile(tf.cast(window[2:], tf.float32), (2,))
    frames = sample["boxes"] - tf.tile(corner, (2,))
    boxes = tf.clip_by_value(frames, 0.0, limits)
    touched = tf.cast(tf.where(_area(boxes) > 0.0)[:, 0], tf.int32)
    instances = {key: sample[key] for key in ("masks", "classes", "is_crowd", "segments", "keypoints") if key in sample}
    instances = {key: tf.gather(value, touched) for key, value in instances.items()}
    frames, boxes = tf.gather(frames, touched), tf.gather(boxes, touched)

    # Few of many instances are cut, and masks are most of the work.
    cut = tf.cast(tf.where(tf.reduce_any(boxes != frames, axis=-1))[:, 0], tf.int32)
    cut_boxes, cut_masks, share = _cut(*(tf.gather(value, cut) for value in (instances["masks"], frames, boxes)))
    boxes = tf.tensor_scatter_nd_update(boxes, cut[:, None], cut_boxes)
    instances["masks"] = tf.tensor_scatter_nd_update(instances["masks"], cut[:, None], cut_masks)
    shown = tf.tensor_scatter_nd_update(tf.ones_like(boxes[:, 0]), cut[:, None], share)
    if "keypoints" in instances:
        moved = instances["keypoints"] - tf.concat([corner, (0.0,)], axis=0)
        inside = tf.reduce_all(tf.logical_and(moved[..., :2] >= 0.0, moved[..., :2] <= limits[:2]), axis=-1)
        inside = tf.logical_and(inside, moved[..., 2] > 0.0)
        instances["keypoints"] = tf.where(inside[..., None], moved, 0.0)

    keep = tf.logical_or(shown >= min_visible, tf.logical_and(instances["is_crowd"], shown > 0.0))
    keep = tf.cast(tf.where(tf.logical_and(_area(boxes) > 0.0, keep))[:, 0], tf.int32)
    kept = {key: tf.gather(value, keep) for key, value in {**instances, "boxes": boxes}.items()}
    if "proposals" in sample:  # those beside the window lose their area, and with it their place in a batch
        kept["proposals"] = tf.clip_by_value(sample["proposals"] - tf.tile(corner, (2,)), 0.0, limits)
    if "panoptic" in sample:
        kept["panoptic"] = sample["panoptic"][top : top + height, left : left + width]
    return {**sample, **kept, "image": image, "offset": sample["offset"] + corner}


def _cut(grids, frames, boxes):
    """Boxes drawn in to what lies of masks over `frames` inside `boxes`, the masks over them, the share that shows."""
    total = tf.reduce_sum(tf.cast(grids, tf.float32), axis=(1, 2)) * _area(frames)
    boxes = _drawn_in(resample_masks(grids, frames, boxes), boxes)
    cut = resample_masks(grids, frames, boxes)
    shown = tf.reduce_sum(tf.cast(cut, tf.float32), axis=(1, 2)) * _area(boxes)
    return boxes, cut, tf.math.divide_no_nan(shown, total)


def _area(boxes):
    return (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])


def _drawn_in(grids, boxes):
    """Boxes around what is set in the grids that cover `boxes`; empty grids give boxes without area."""
    size = grids.shape[-1]

    def extent(occupied, start):
        cell = (boxes[:, start + 2] - boxes[:, start]) / size
        positions = tf.range(size, dtype=tf.float32)
        first = tf.reduce_min(tf.where(occupied, positions, float(size)), axis=-1)
        last = tf.reduce_max(tf.where(occupied, positions + 1.0, 0.0), axis=-1)
        last = tf.maximum(first, last)
        # The far edge is kept to the bit where nothing is drawn in.
        far = tf.where(last == size, boxes[:, start + 2], boxes[:, start] + last * cell)
        return boxes[:, start] + first * cell, far

    top, bottom = extent(tf.reduce_any(grids > 0, axis=2), 0)
    left, right = extent(tf.reduce_any(grids > 0, axis=1), 1)
    return tf.stack([top, left, bottom, right], axis=-1)
