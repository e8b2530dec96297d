"""A source of images given as arrays, with their instances as masks of full size: what tests of the pipeline read."""

import numpy as np
import tensorflow as tf

from panet_tf.data.host_calls import host_call
from panet_tf.data.mask_grids import pack_masks, sample_mask


def tight_box(mask):
    """Box around a mask that is not empty, float32 (4,) yxyx."""
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    return np.array([rows[0], columns[0], rows[-1] + 1, columns[-1] + 1], np.float32)


def paste(grid, box, height, width):
    """The mask of full size that a grid over a box stands for: every pixel takes the sample nearest to its centre."""
    size = grid.shape[0]
    top, left, bottom, right = box
    rows = np.floor((np.arange(height) + 0.5 - top) / (bottom - top) * size).astype(int)
    columns = np.floor((np.arange(width) + 0.5 - left) / (right - left) * size).astype(int)
    inside = ((rows >= 0) & (rows < size))[:, None] & ((columns >= 0) & (columns < size))
    return (grid[np.clip(rows, 0, size - 1)[:, None], np.clip(columns, 0, size - 1)] > 0) & inside


def iou(one, other):
    """IoU of two masks, 1 for two empty ones."""
    union = np.logical_or(one, other).sum()
    return np.logical_and(one, other).sum() / union if union else 1.0


def coin_image(height, width, coins):
    """An image, black but for white discs, and their masks: what the image shows tells where each mask must be.

    Args:
        height, width: ints.
        coins: list of (y, x, radius).

    Returns:
        Pair of uint8 (height, width, 3) and a list of bool (height, width).
    """
    y, x = np.mgrid[:height, :width] + 0.5
    masks = [(y - cy) ** 2 + (x - cx) ** 2 < r * r for cy, cx, r in coins]
    image = np.zeros((height, width, 3), np.uint8)
    for mask in masks:
        image[mask] = 255
    return image, masks


class ListedSource:
    """Source of listed images.

    Args:
        images: list of uint8 (h, w, 3).
        masks: list of lists of bool (h, w), or of (box, mask) pairs for boxes that are not tight.
        classes: None (all 1) or list of lists of ints.
        crowds: None or list of lists of bools.
        keypoints: None or list of float arrays (n, J, 3).
        ids: None (position) or list of ints; -1 is an image that could not be read.
        random_access: bool: without it only `samples` is there.
    """

    categories = ({"id": 1, "name": "coin"}, {"id": 2, "name": "button"})

    def __init__(self, images, masks, classes=None, crowds=None, keypoints=None, ids=None, random_access=True):
        self.num_examples = len(images)
        self.image_sizes = np.array([image.shape[:2] for image in images])
        self.raw = []
        for number, (image, instances) in enumerate(zip(images, masks)):
            pairs = [pair if isinstance(pair, tuple) else (tight_box(pair), pair) for pair in instances]
            count = len(pairs)
            objects = {
                "box": np.array([box for box, _ in pairs], np.float32).reshape(count, 4),
                "class": np.array(classes[number] if classes else [1] * count, np.int32),
                "is_crowd": np.array(crowds[number] if crowds else [False] * count, bool),
                "mask": pack_masks([sample_mask(mask, box) for box, mask in pairs]).reshape(count, 112, 14),
            }
            if keypoints is not None:
                objects["keypoints"] = np.asarray(keypoints[number], np.float32)
            identity = np.int64(ids[number] if ids else number)
            self.raw.append({"image": image, "image_id": identity, "objects": objects})
        self.num_objects = np.array([int((~raw["objects"]["is_crowd"]).sum()) for raw in self.raw])
        self.loaded = []
        if random_access:
            self.sample = self._sample

    def _sample(self, index):
        first = self.raw[0]

        def load(index):
            self.loaded.append(int(index))
            return tf.nest.flatten(self.raw[index])

        flat = host_call(load, [index], [value.dtype for value in tf.nest.flatten(first)])
        sample = tf.nest.pack_sequence_as(first, flat)
        for name, value in first["objects"].items():
            sample["objects"][name] = tf.ensure_shape(sample["objects"][name], (None, *value.shape[1:]))
        sample["image_id"] = tf.ensure_shape(sample["image_id"], ())
        sample["image"] = tf.ensure_shape(sample["image"], (None, None, 3))
        return sample

    def samples(self, shuffle_seed=None):
        order = tf.range(self.num_examples, dtype=tf.int64)
        if shuffle_seed is not None:
            order = tf.random.experimental.stateless_shuffle(order, tf.stack([shuffle_seed, 0]))
        return tf.data.Dataset.from_tensor_slices(order).map(self._sample)
