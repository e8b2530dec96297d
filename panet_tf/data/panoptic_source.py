"""Panoptic data as a source of training and evaluation: prepared once, then read at random places."""

import pathlib

import gin
import numpy as np
import tensorflow as tf

from panet_tf.data.panoptic_ground_truth import PanopticGroundTruth
from panet_tf.data.panoptic_images import PanopticConfig, PanopticImages
from panet_tf.data.preparation import SPLIT, fingerprint, prepare
from panet_tf.data.prepared_source import PreparedSource
from panet_tf.ops.semantic_classes import thing_categories


@gin.register(module="panet_tf")
class PanopticSource(PreparedSource):
    """Images with things and stuff, out of the files of any data set that has a reader.

    On first use everything is checked and written to a TFDS data set (`PanopticImages`) in a cache folder; later uses,
    also of other processes, read that, as long as the files and the settings are unchanged. The instances of the things
    make it a source of detection data too: without `DetectionData(semantic_context=...)` no map is decoded.

    Args:
        files: `CocoPanopticFiles`, `CityscapesFiles`, `VistasFiles` or `TfdsPanopticFiles`; see `PanopticImages` for
            what any other must have.
        part: None for all, or a slice as TFDS writes it, such as `"[:80%]"`. The order is random once and for all.
        categories: None for the data set's list; or a tuple of names or of dicts out of it, things and stuff. What
            is left out is void. Evaluation data whose files list others take
            `categories=train_source.panoptic_categories`.
        keep_empty: bool, keep images without a usable segment. Defaults to True.
        cache: folder of prepared data. Defaults to `$XDG_CACHE_HOME/panet_tf`, `~/.cache/panet_tf`. Safe to delete.
        progress: bool, show a progress bar while preparing. Defaults to True.

    Attributes (the first use prepares the data):
        categories: tuple of dicts, the things; class k is `categories[k - 1]`.
        panoptic_categories: tuple of dicts `{"id", "name", "isthing", ...}`, things and stuff, in the data set's order.
        num_examples, image_sizes, num_objects, image_ids, report, builder: as of `CocoSource`.

    Raises:
        ValueError: on first use, when the files are unusable as a whole.

    Example:
        >>> source = PanopticSource(files=CityscapesFiles(root="cityscapes", split="train"))
        >>> data = DetectionData(source=source, batch_size=8, training=True, semantic_context="all")
    """

    def __init__(self, *, files, part=None, categories=None, keep_empty=True, cache=None, progress=True):
        super().__init__(name=files.path, part=part)
        self.files = files
        wanted = tuple(categories) if categories is not None and not isinstance(categories, str) else categories
        self._settings = {"categories": wanted, "keep_empty": bool(keep_empty)}
        self._cache, self._progress = cache, progress

    @property
    def categories(self):
        return thing_categories(self.panoptic_categories)

    @property
    def panoptic_categories(self):
        return self._load()["categories"]

    def sample(self, index):
        """Reads one raw sample: that of `CocoSource`, and a map of segments.

        Args:
            index: int or scalar int64 tensor, 0 .. num_examples - 1; inside `Dataset.map` as well as eagerly.

        Returns:
            Dict of tensors: what `CocoSource.sample` gives, `objects/segment` int32 (n,), number of the segment that
            shows the instance; `panoptic` uint16 (h, w, 1), number of the segment at each pixel, 0 being void; and
            `segments`: `id` int64 (S,), `category` int32 (S,), 1..P, `is_crowd`, `area` and `box` (S, 4).
        """
        sample = super().sample(index)
        segment_map = tf.io.decode_png(sample["panoptic"], channels=1, dtype=tf.uint16)
        return {**sample, "panoptic": tf.ensure_shape(segment_map, (None, None, 1))}

    def panoptic_ground_truth(self):
        """`PanopticGroundTruth` in the data set's own ids, each image read when it is asked for."""

        @tf.function(input_signature=[tf.TensorSpec((), tf.int64)])  # 3 ms instead of 8 eagerly
        def decoded(index):
            sample = self._read(index)
            segment_map = tf.io.decode_png(sample["panoptic"], channels=1, dtype=tf.uint16)[..., 0]
            return segment_map, *(sample["segments"][key] for key in ("id", "category", "is_crowd"))

        def read(index):
            return [value.numpy() for value in decoded(tf.constant(index, tf.int64))]

        return PanopticGroundTruth(categories=self.panoptic_categories, image_ids=self.image_ids, read=read)

    def segment_counts(self):
        """int64 (P + 1,): how many segments each panoptic category 1..P has in all images."""
        places = tf.data.Dataset.range(self.num_examples).map(
            lambda index: self._read(index)["segments"]["category"], num_parallel_calls=tf.data.AUTOTUNE
        )
        size = len(self.panoptic_categories) + 1
        return sum((np.bincount(found, minlength=size) for found in places.as_numpy_iterator()), np.zeros(size, int))

    def _prepare(self):
        def make_builder(folder, name):
            config = PanopticConfig(name=name, splits={SPLIT: self.files}, progress=self._progress, **self._settings)
            return PanopticImages(data_dir=folder, config=config)

        facts = self.files.fingerprint()
        facts["settings"] = [*facts["settings"], sorted(self._settings.items()), str(PanopticImages.VERSION)]
        return prepare(
            make_builder,
            kind=PanopticImages.name,
            version=PanopticImages.VERSION,
            stem=pathlib.Path(str(self.files.path)).name,
            digest=fingerprint(**facts),
            cache=self._cache,
        )
