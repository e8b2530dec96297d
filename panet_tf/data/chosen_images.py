"""A source made of chosen images of another one."""

import json

import numpy as np
import tensorflow as tf


class ChosenImages:
    """What sources share that are made of rows of another source: left out, reordered or repeated.

    Args:
        source: a source that reads at random places, such as `CocoSource`.
        rows: ints (n,), places in that source.
    """

    def __init__(self, source, rows):
        self.source, self._rows = source, np.asarray(rows, "int64")

    def __getattr__(self, name):
        if name.startswith("_") or name == "source":
            raise AttributeError(name)
        return getattr(self.source, name)  # categories, report ...

    @property
    def num_examples(self):
        """Images, repetitions counted."""
        return len(self._rows)

    @property
    def image_sizes(self):
        """int64 (num_examples, 2), height and width."""
        return np.asarray(self.source.image_sizes)[self._rows]

    @property
    def num_objects(self):
        """int64 (num_examples,), annotations that are not crowds."""
        return np.asarray(self.source.num_objects)[self._rows]

    @property
    def image_ids(self):
        """int64 (num_examples,), of sources that have them."""
        return np.asarray(self.source.image_ids)[self._rows]

    def sample(self, index):
        """Reads one raw sample, as the source's `sample`."""
        return self.source.sample(tf.gather(tf.constant(self._rows, tf.int64), index))

    def samples(self, shuffle_seed=None):
        """Returns a `tf.data.Dataset` of raw samples, one pass, in order or in another one by a seed."""
        order = tf.range(self.num_examples, dtype=tf.int64)
        if shuffle_seed is not None:
            order = tf.random.experimental.stateless_shuffle(order, tf.stack([tf.cast(shuffle_seed, tf.int64), 0]))
        order = tf.data.Dataset.from_tensor_slices(order)
        return order.map(self.sample, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)

    def coco_ground_truth(self):
        """Returns the annotations of these images as a COCO dict, each image once."""
        truth = self.source.coco_ground_truth()
        images = [truth["images"][row] for row in dict.fromkeys(self._rows.tolist())]
        ids = {image["id"] for image in images}
        annotations = [annotation for annotation in truth["annotations"] if annotation["image_id"] in ids]
        return {**truth, "images": images, "annotations": annotations}


def annotations_of(source):
    """Ids of a source's images, in its order, and annotations as COCO writes them, of its categories only.

    A source that names its annotation file is asked for that, which takes seconds for COCO, not minutes.

    Args:
        source: a source with `annotations` and `image_ids`, or with `coco_ground_truth()`.

    Returns:
        `(ids, annotations)`, lists of ints and of dicts; annotations of other images may be among them.
    """
    if hasattr(source, "annotations") and hasattr(source, "image_ids"):
        with open(source.annotations, encoding="utf-8") as file:
            annotations, ids = json.load(file)["annotations"], np.asarray(source.image_ids).tolist()
        known = {category["id"] for category in source.categories}
        return ids, [annotation for annotation in annotations if annotation.get("category_id") in known]
    truth = source.coco_ground_truth()
    return [image["id"] for image in truth["images"]], truth["annotations"]
