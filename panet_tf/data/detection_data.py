"""The input pipeline: from a source of annotated images to batches of fixed shapes."""

import functools
import logging

import gin
import numpy as np
import tensorflow as tf

from panet_tf.data.batching import (
    check_canvases,
    count_batches,
    fill_slots,
    group_by_canvas,
    pad_to_canvas,
    padding_example,
)
from panet_tf.data.cropping import crop_sample
from panet_tf.data.detection_checks import check_settings, warn_of_small_canvases
from panet_tf.data.host_calls import host_call
from panet_tf.data.panoptic_targets import STRIDE, panoptic_targets
from panet_tf.data.preprocessing import Preprocessing
from panet_tf.data.proposals import fill_proposals, look_up, no_proposals, proposals_of
from panet_tf.data.raw_samples import blank, checked, to_sample
from panet_tf.data.resizing import choose_canvas, plan_window, resize_sample, resize_scale, rounded
from panet_tf.ops.semantic_classes import semantic_classes

MANY_RECORDS = 100_000  # To pass so many takes a quarter of a minute, before the first step.
PREFETCHED_BATCHES = 2  # A batch of 16 images of 800 x 1344 is 200 MB, so tf.data does not choose this number.


@gin.register(module="panet_tf")
class DetectionData:
    """Batches of images with boxes, classes and masks, ready for `fit` and `predict`.

    A **source** is any object with
      `categories`: tuple of dicts, class k being `categories[k - 1]`;
      `num_examples`: int;
      `image_sizes`: int array (num_examples, 2), height and width of each image;
      `num_objects`: int array (num_examples,), annotations that are not crowds;
      `sample(index)`: int64 scalar tensor -> one raw sample (see `raw_samples`), called inside the graph;
      `panoptic_categories`, of panoptic data: tuple of dicts, things and stuff.
    An image that cannot be read has the id -1 and becomes a padding image. A source that cannot be read at random
    places may have `samples(shuffle_seed)` instead, a `tf.data.Dataset` of raw samples; resuming such a source reads
    again what was seen.

    **Order.** Training never ends: each epoch is a new order of all images, a function of (seed, epoch). Every random
    choice about an image is a function of (seed, epoch, image), whatever the batch, the order of the workers or the
    number of replicas. So `dataset(step=k)` continues as an uninterrupted run would, and reads no image for the steps
    it skips; with several canvases it draws their canvases anew, some thousands a second. Evaluation is one pass in the
    source's order; the last batch (of each canvas) is filled with padding images, whose `image_ids` are -1.

    **Size.** The short side is brought to `short_side` unless the long side then exceeds `long_side`. Each image is
    padded, after normalisation, with zeros at the bottom and the right to the smallest of `canvases` that holds it;
    an image that none holds is shrunk further, to the canvas that shrinks it least. A batch has one canvas.

    Args:
        source: the source.
        batch_size: int, images of a global batch (all replicas together).
        canvases: tuple of (height, width), multiples of 32. Few: each costs a compilation. Defaults to landscape and
            portrait for `short_side=800, long_side=1333`.
        short_side: None (images keep their size), a number of pixels, or a tuple of numbers (multi-scale training).
            Defaults to 800.
        long_side: None or a number of pixels. Defaults to 1333.
        short_side_sampling: `"choice"`: a tuple lists the short sides to draw from; `"range"`: it is their least and
            greatest. Defaults to `"choice"`.
        scale_jitter: None or (low, high): in training, a random factor on the size; what exceeds the canvas is cut at
            random (large-scale jitter: (0.1, 2.0)). Defaults to None.
        training: bool. Defaults to False.
        augment: tuple of callables (sample, seed) -> sample, run in order on the image before it is resized; see
            `RandomFlip`, `RandomCrop`, `RandomRotation90`, `ColorJitter`. One that changes the size of an image
            has a method `output_size(size, seed)` too, one that must know the categories `for_categories(categories)`.
            Training only. Defaults to none.
        max_instances: int N, annotation slots of an image. Of more, a random N are kept; that is counted
            (`dropped_instances`) and reported. Defaults to 100.
        min_visible: share of an instance that `scale_jitter` must leave for it to stay. Defaults to 0.1.
        drop_empty: bool: leave out images without annotations (other than crowds). Defaults to False.
        mean: three numbers subtracted from R, G, B in 0..255. Defaults to ImageNet's.
        std: three numbers that divide the result. Defaults to ImageNet's.
        antialias: bool, low-pass before shrinking. Defaults to False, as torchvision and detectron2 train.
        semantic_context: None, or `"all"`, `"stuff_ignore"` or `"stuff_plus_thing"`: batches have panoptic targets too,
            semantic classes being numbered as in `ops.semantic_classes`. Defaults to None.
        proposals: path of a file of fixed proposals, or `Proposals` (or any object with its `of_image`): batches have
            `proposals` and `proposal_scores` too, for models that take their regions from there (Fast R-CNN). Images
            without any are reported and have zeros. Defaults to None.
        max_proposals: int P, slots of proposals, best first. Defaults to 1000.
        seed: int. Defaults to 0.

    Raises:
        ValueError: for a canvas that is no multiple of 32, augmentation outside training, an empty source, and the
            like.

    Example:
        >>> source = OccludedShapesSource()
        >>> data = DetectionData(source=source, batch_size=2, canvases=((256, 256),), short_side=None, training=True)
        >>> model.fit(data.dataset(), steps_per_epoch=data.steps_per_epoch)
    """

    def __init__(
        self,
        *,
        source,
        batch_size,
        canvases=((800, 1344), (1344, 800)),
        short_side=800,
        long_side=1333,
        short_side_sampling="choice",
        scale_jitter=None,
        training=False,
        augment=(),
        max_instances=100,
        min_visible=0.1,
        drop_empty=False,
        mean=(123.675, 116.28, 103.53),
        std=(58.395, 57.12, 57.375),
        antialias=False,
        semantic_context=None,
        proposals=None,
        max_proposals=1000,
        seed=0,
    ):
        told = (a.for_categories(source.categories) if hasattr(a, "for_categories") else a for a in augment)
        self.source, self.training, self.augment, self.seed = source, training, tuple(told), int(seed)
        self.batch_size, self.max_instances = int(batch_size), int(max_instances)
        self.canvases = check_canvases(canvases)
        self.short_sides = short_side if isinstance(short_side, (tuple, list)) else (short_side,)
        self.long_side, self.short_side_sampling, self.scale_jitter = long_side, short_side_sampling, scale_jitter
        self.min_visible, self.antialias, self.drop_empty = min_visible, antialias, drop_empty
        self.mean, self.std = tuple(map(float, mean)), tuple(map(float, std))
        self.dropped_instances = 0
        self._random_access = hasattr(source, "sample")
        self.semantic_context = semantic_context
        self.max_proposals = int(max_proposals)
        check_settings(self)
        self.proposals = proposals_of(proposals, source, self.max_proposals)
        if semantic_context is not None:
            self._semantic_of_category = semantic_classes(self.panoptic_categories, semantic_context).of_category
        self._indices = np.arange(source.num_examples)
        if drop_empty and self._random_access:
            self._indices = np.flatnonzero(np.asarray(source.num_objects) > 0)
        if not len(self._indices):
            raise ValueError(
                f"a data set needs at least one image{' with annotations' if drop_empty else ''}, received none of "
                f"{source.num_examples}."
            )
        warn_of_small_canvases(self)

    @property
    def categories(self):
        """The source's categories."""
        return self.source.categories

    @property
    def panoptic_categories(self):
        """The source's categories of things and stuff; None without."""
        return getattr(self.source, "panoptic_categories", None)

    @property
    def preprocessing(self):
        """`Preprocessing` that shows an image as evaluation does; of several short sides the longest counts."""
        sides = [side for side in self.short_sides if side is not None]
        return Preprocessing(
            canvases=self.canvases,
            short_side=max(sides, default=None),
            long_side=self.long_side,
            mean=self.mean,
            std=self.std,
            antialias=self.antialias,
        )

    @property
    def num_examples(self):
        """Images of an epoch."""
        return len(self._indices)

    @property
    def steps_per_epoch(self):
        """Batches of a pass over the data, the last of each canvas filled up in evaluation and left to the next pass in
        training. Of a source without random access, whose images are not known beforehand: as if on one canvas."""
        return max(self.num_examples // self.batch_size, 1) if self.training else self._evaluation_steps

    @functools.cached_property
    def _evaluation_steps(self):
        if len(self.canvases) == 1 or not self._random_access:
            return -(-self.num_examples // self.batch_size)
        with tf.init_scope():
            return count_batches(self._on_canvases(self._records(0)), self.batch_size, len(self.canvases))

    def dataset(self, step=0):
        """Batches from a step on.

        Args:
            step: int, batches that a run has already seen. Defaults to 0.

        Returns:
            `tf.data.Dataset` of dicts: `images` float32 (B, H, W, 3), `image_sizes`, `original_sizes`, `scales`,
            `offsets` float32 (B, 2), `image_ids` int64 (B,), `boxes` float32 (B, N, 4), `classes` int32 (B, N),
            `is_crowd` bool (B, N), `masks` uint8 (B, N, 112, 112), `keypoints` float32 (B, N, J, 3) where the source
            has them, and with `semantic_context` `semantic` int32 (B, H/4, W/4), 255 being ignored, and `panoptic`
            int32 (B, H/4, W/4), slot + 1 of the instance that shows (crowds too have their slots' numbers), 0 for none;
            and with proposals `proposals` float32 (B, P, 4), yxyx in network pixels, and `proposal_scores` float32
            (B, P), zeros where there are fewer.
        """
        several = len(self.canvases) > 1
        skipped = step * self.batch_size
        if self._random_access:
            first = 0 if several or not self.training else skipped
            probe = tf.data.Dataset.range(1).map(lambda index: self._checked(self.source.sample(index)))
            self._sample_spec = probe.element_spec
            records = self._records(first)
        else:
            first = 0
            records = self._sequential()
        records = self._on_canvases(records)
        padding = None
        if not self.training:
            spec = records.element_spec

            def padding(canvas):
                return {**tf.nest.map_structure(blank, spec), "canvas": canvas}

        records = group_by_canvas(records, self.batch_size, len(self.canvases), padding)
        if skipped - first > MANY_RECORDS:
            print(f"finding the place in the data: {skipped - first} images to pass", flush=True)
        records = records.skip(skipped - first)
        images = records.map(self._example, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)
        batches = images.batch(self.batch_size, drop_remainder=True).prefetch(PREFETCHED_BATCHES)
        if self.training:
            batches = batches.apply(tf.data.experimental.assert_cardinality(tf.data.INFINITE_CARDINALITY))
        elif self._random_access:  # Keras runs on into the end of data of unknown length, and warns.
            left = max(self.steps_per_epoch - step, 0)
            batches = batches.apply(tf.data.experimental.assert_cardinality(left))
        options = tf.data.Options()
        options.deterministic = True
        # One list of files is no reason to shard by files: workers share the batches.
        options.experimental_distribute.auto_shard_policy = tf.data.experimental.AutoShardPolicy.DATA
        return batches.with_options(options)

    def _records(self, first):
        """From image `first` of the run on: which image each is, and its size, all that is known before it is read."""
        sizes = tf.constant(self.source.image_sizes, tf.float32)

        def epoch_records(epoch):
            order = tf.constant(self._indices, tf.int64)
            if self.training:
                order = tf.random.experimental.stateless_shuffle(order, tf.random.fold_in((self.seed, 1), epoch))
            order = tf.data.Dataset.from_tensor_slices(order)
            return order.map(lambda index: {"epoch": epoch, "identity": index, "size": tf.gather(sizes, index)})

        first_epoch, seen = divmod(first, self.num_examples)
        last_epoch = np.iinfo(np.int64).max if self.training else 1
        return tf.data.Dataset.range(first_epoch, last_epoch).flat_map(epoch_records).skip(seen)

    def _sequential(self):
        """Records that already hold their samples, from a source without random access."""

        def epoch_records(epoch):
            seed = tf.random.fold_in((self.seed, 1), epoch)[0] if self.training else None
            samples = self.source.samples(shuffle_seed=seed)
            if self.drop_empty:
                samples = samples.filter(lambda sample: tf.reduce_any(~sample["objects"]["is_crowd"]))
            return samples.map(
                lambda sample: {
                    "epoch": epoch,
                    "identity": tf.cast(sample["image_id"], tf.int64),
                    "size": tf.cast(tf.shape(sample["image"])[:2], tf.float32),
                    "sample": self._checked(sample),
                }
            )

        epochs = tf.data.Dataset.range(np.iinfo(np.int64).max if self.training else 1)
        return epochs.flat_map(epoch_records)

    def _checked(self, raw):
        return checked(raw, panoptic=self.semantic_context is not None)

    def _key(self, record, purpose):
        key = tf.random.fold_in((self.seed, purpose), record["epoch"])
        return tf.random.fold_in(key, record["identity"])

    def _augment_keys(self, record):
        return [self._key(record, 10 + number) for number in range(len(self.augment))]

    def _size_noise(self, record):
        return tf.random.stateless_uniform((4,), self._key(record, 2))

    def _scale(self, size, noise):
        sides = self.short_sides
        if len(sides) == 1:
            return resize_scale(size, sides[0], self.long_side)
        if self.short_side_sampling == "range":
            side = tf.floor(sides[0] + noise * (sides[1] - sides[0] + 1.0))
        else:
            side = tf.gather(tf.constant(sides, tf.float32), tf.cast(noise * len(sides), tf.int32))
        return resize_scale(size, side, self.long_side)

    def _on_canvases(self, records):
        if len(self.canvases) == 1:
            return records.map(lambda record: {**record, "canvas": tf.constant(0, tf.int64)})
        return records.map(self._with_canvas, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)

    def _with_canvas(self, record):
        size = record["size"]
        for augmentation, key in zip(self.augment, self._augment_keys(record)):
            if hasattr(augmentation, "output_size"):
                size = augmentation.output_size(size, key)
        scale = self._scale(size, self._size_noise(record)[0])
        return {**record, "canvas": choose_canvas(rounded(size * scale), self.canvases)}

    def _example(self, record):
        """A record -> what one image gives to a batch."""
        identity, canvas = record["identity"], tf.gather(tf.constant(self.canvases), record["canvas"])
        if self._random_access:
            sample = tf.cond(
                identity >= 0,
                lambda: self._checked(self.source.sample(identity)),
                lambda: tf.nest.map_structure(blank, self._sample_spec),
            )
        else:
            sample = record["sample"]
        num_keypoints = sample["objects"]["keypoints"].shape[1] if "keypoints" in sample["objects"] else None
        # The same branch serves the padding of the last batch and an image that cannot be read.
        usable = tf.logical_and(identity >= 0, sample["image_id"] >= 0)
        example = tf.cond(
            usable,
            lambda: self._shown(record, sample, canvas),
            lambda: {
                **padding_example(canvas, self.max_instances, num_keypoints, self.semantic_context is not None),
                **(no_proposals(self.max_proposals) if self.proposals is not None else {}),
            },
        )
        sides = self.canvases[0] if len(self.canvases) == 1 else (None, None)
        example["images"] = tf.ensure_shape(example["images"], (*sides, 3))
        for key in ("semantic", "panoptic") if self.semantic_context is not None else ():
            example[key] = tf.ensure_shape(example[key], [side and side // STRIDE for side in sides])
        return example

    def _shown(self, record, raw, canvas):
        sample = to_sample(raw) | (look_up(self.proposals, raw) if self.proposals is not None else {})
        original_size = tf.cast(tf.shape(raw["image"])[:2], tf.float32)
        for augmentation, key in zip(self.augment, self._augment_keys(record)):
            sample = augmentation(sample, key)
        noise = self._size_noise(record)
        size = tf.cast(tf.shape(sample["image"])[:2], tf.float32)
        scale = self._scale(size, noise[0])
        window, shown_size = plan_window(size, noise[1:], scale, tf.cast(canvas, tf.float32), self.scale_jitter)
        if self.scale_jitter is not None:
            sample = crop_sample(sample, window, self.min_visible)
        sample = resize_sample(sample, shown_size, self.antialias)
        image = (sample["image"] - self.mean) / self.std
        names = ("boxes", "classes", "is_crowd", "masks", "keypoints", "segments")
        instances = {key: sample[key] for key in names if key in sample}
        instances = fill_slots(instances, self.max_instances, self._key(record, 3), self._counted)
        if self.semantic_context is not None:
            category = tf.concat([[0], raw["segments"]["category"]], axis=0)
            instances |= panoptic_targets(
                sample["panoptic"],
                shown_size,
                canvas,
                segment_labels=tf.gather(self._semantic_of_category, category),
                slot_segments=instances.pop("segments"),
            )
        return {
            "images": pad_to_canvas(image, canvas),
            "image_sizes": tf.cast(shown_size, tf.float32),
            "original_sizes": original_size,
            "scales": sample["scale"],
            "offsets": sample["offset"],
            "image_ids": raw["image_id"],
            **instances,
            **(fill_proposals(sample, self.max_proposals) if self.proposals is not None else {}),
        }

    def _counted(self, count):
        def add(count):
            if not self.dropped_instances:
                logging.warning(
                    "an image has %d instances, more than max_instances=%d: a random subset is kept. "
                    "This is said once; `dropped_instances` counts on.",
                    count,
                    self.max_instances,
                )
            self.dropped_instances += int(count) - self.max_instances
            return count

        return tf.ensure_shape(host_call(add, [count], tf.int32), ())
