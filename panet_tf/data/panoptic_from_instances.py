"""Instances that never overlap, and one kind of ground: a panoptic data set."""

import gin
import numpy as np
import tensorflow as tf

from panet_tf.data.host_calls import host_call
from panet_tf.data.panoptic_ground_truth import PanopticGroundTruth
from panet_tf.data.segmentations import rle_runs
from panet_tf.ops.semantic_classes import thing_categories


@gin.register(module="panet_tf")
class PanopticFromInstances:
    """A source of instances as one of panoptic data: what no instance covers is one stuff category.

    Cells, nuclei and the like: things that never lie on one another, on tissue. Where two overlap all the same, by a
    pixel along their border, the smaller one keeps it; crowds lie below all others. Segments' ids are their numbers:
    the instances in their order, then the stuff.

    Args:
        source: a source whose raw samples hold `objects/segmentation`, COCO's compressed run lengths, and that has
            `image_ids`: a `CocoSource`.
        stuff: str, name of the ground's category, whose id is the next free one; or its dict. Defaults to
            `"background"`.

    Attributes: those of the source, and
        panoptic_categories: tuple of dicts, the source's categories as things, then the stuff.

    Example:
        >>> source = PanopticFromInstances(source=nuclei_mini("train"), stuff="tissue")
        >>> [category["name"] for category in source.panoptic_categories]
        ['nucleus', 'tissue']
    """

    def __init__(self, *, source, stuff="background"):
        self.source, self.stuff = source, stuff

    @property
    def panoptic_categories(self):
        things = [{**category, "isthing": 1} for category in self.source.categories]
        stuff = self.stuff if isinstance(self.stuff, dict) else {"name": self.stuff}
        return (*things, {"id": max(category["id"] for category in things) + 1, **stuff, "isthing": 0})

    @property
    def categories(self):
        return thing_categories(self.panoptic_categories)

    @property
    def num_examples(self):
        return self.source.num_examples

    @property
    def image_sizes(self):
        return self.source.image_sizes

    @property
    def num_objects(self):
        return self.source.num_objects

    @property
    def image_ids(self):
        return self.source.image_ids

    @property
    def report(self):
        return self.source.report

    def sample(self, index):
        """The source's raw sample with `panoptic`, `segments/category` and `objects/segment`, inside a graph too."""
        raw = self.source.sample(index)
        size, objects = tf.shape(raw["image"])[:2], raw["objects"]
        segment_map = host_call(_painted, [objects["segmentation"], objects["is_crowd"], size], tf.uint16)
        stuff = tf.constant([len(self.panoptic_categories)], tf.int32)
        return {
            **raw,
            "panoptic": tf.ensure_shape(segment_map, (None, None, 1)),
            "segments": {"category": tf.concat([objects["class"], stuff], axis=0)},
            "objects": {**objects, "segment": tf.range(1, tf.shape(objects["class"])[0] + 1)},
        }

    def samples(self, shuffle_seed=None):
        """A `tf.data.Dataset` of raw samples, one pass; an int scalar `shuffle_seed` gives them another order."""
        order = tf.range(self.num_examples, dtype=tf.int64)
        if shuffle_seed is not None:
            seed = tf.stack([tf.cast(shuffle_seed, tf.int64), 0])
            order = tf.random.experimental.stateless_shuffle(order, seed=seed, alg="philox")
        order = tf.data.Dataset.from_tensor_slices(order)
        return order.map(self.sample, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)

    def coco_ground_truth(self):
        """The source's."""
        return self.source.coco_ground_truth()

    def panoptic_ground_truth(self):
        """`PanopticGroundTruth`, each image painted when it is asked for."""

        def read(index):
            raw = self.sample(index)
            categories = raw["segments"]["category"].numpy()
            crowds = np.append(raw["objects"]["is_crowd"].numpy(), False)
            return raw["panoptic"].numpy()[..., 0], np.arange(1, len(categories) + 1), categories, crowds

        return PanopticGroundTruth(categories=self.panoptic_categories, image_ids=self.image_ids, read=read)


def _painted(segmentations, crowds, size):
    """Segment map uint16 (h, w, 1): the instances' numbers over that of the ground, written run by run."""
    height, width = size.tolist()
    flat = np.full(height * width, len(segmentations) + 1, np.uint16)  # column by column, as the runs go
    pixels = [_pixels_of(counts) for counts in segmentations]
    below = sorted(range(len(pixels)), key=lambda place: (not crowds[place], -len(pixels[place])))
    for place in below:
        flat[pixels[place]] = place + 1
    return np.ascontiguousarray(flat.reshape(width, height).T)[..., None]


def _pixels_of(counts):
    runs = rle_runs(counts)
    starts, lengths = (np.cumsum(runs) - runs)[1::2], runs[1::2]
    before = np.cumsum(lengths) - lengths
    return np.repeat(starts - before, lengths) + np.arange(lengths.sum())
