"""Panoptic quality of a stream of predictions."""

import collections.abc
import os

import gin
import numpy as np
from absl import logging

from panet_tf.evaluation.panoptic_folder import PanopticFolder
from panet_tf.evaluation.panoptic_quality import PanopticQuality
from panet_tf.evaluation.panoptic_results import KEYS, panoptic_results


@gin.register(module="panet_tf")
class PanopticEvaluator:
    """PQ, SQ and RQ of a panoptic model, at the images' original size and with the data set's own ids.

    `update` brings each predicted map to the size of its image and counts what matches; only sums per category are
    kept. `result` may be asked at any time; `reset` starts anew; `merge` adds what another worker has seen.

    An image whose ground truth cannot be read, or is of another size than the image, is logged with its file, left out
    and counted in `num_skipped`. True maps and lists that hold different ids are compared by panopticapi's rules,
    logged, and counted in `quality.num_disagreements`.

    Args:
        ground_truth: path of a COCO panoptic JSON, or what it holds as a dict (then with `folder`); or a dict from
            image ids to pairs of labels, int (height, width), and a list of dicts with `id`, `category_id`, and where
            there are any `iscrowd` and `area`; or what a source's `panoptic_ground_truth()` gives: an object with
            `categories`, `image_ids` and `ground_truth(image_id)`, which returns such a pair.
        folder: folder of the PNG files. Defaults to the path of the JSON without `.json`.
        categories: sequence of dicts with `id`, `name` and `isthing`: the category of class 1, 2, ... of the
            predictions' segments. Defaults to the ground truth's list.
        areas: `"json"` or `"pixels"`, as in `PanopticQuality`. Defaults to `"json"`.
        void_in_union: as in `PanopticQuality`. Defaults to `False`.

    Raises:
        ValueError: ground truth that is not of the format, or categories that it does not have.

    Example:
        >>> evaluator = PanopticEvaluator("panoptic_val2017.json")
        >>> for batch in data:
        ...     evaluator.update(model.predict_on_batch(batch))
        >>> evaluator.result()["pq"]

    Source: https://cocodataset.org/#panoptic-eval.
    """

    def __init__(self, ground_truth, *, folder=None, categories=None, areas="json", void_in_union=False):
        if isinstance(ground_truth, str | os.PathLike) or (
            isinstance(ground_truth, collections.abc.Mapping) and "annotations" in ground_truth
        ):
            ground_truth = PanopticFolder(ground_truth, folder)
        elif isinstance(ground_truth, collections.abc.Mapping):
            ground_truth = _InMemory(ground_truth)
        counted = ground_truth.categories or categories
        if not counted:
            raise ValueError("categories must be given when the ground truth has none.")
        self.ground_truth = ground_truth
        self.categories = tuple(counted if categories is None else categories)
        strange = {c["id"] for c in self.categories} - {c["id"] for c in counted}
        if strange:
            raise ValueError(f"categories must be among the ground truth's, received ids {sorted(strange)} besides.")
        self._image_ids = set(ground_truth.image_ids)
        self.quality = PanopticQuality(counted, areas=areas, void_in_union=void_in_union)
        self.reset()

    @classmethod
    def made_for(cls, model, data):
        """The evaluator of a model on the data's `source`, with the model's own list of categories where it has one."""
        categories = getattr(model, "panoptic_categories", None)
        return cls(data.source.panoptic_ground_truth(), **({} if categories is None else {"categories": categories}))

    def reset(self):
        """Forgets all predictions."""
        self.quality.reset()
        self._seen = set()
        self._skipped = set()

    @property
    def num_skipped(self):
        """Images left out because of their ground truth."""
        return len(self._skipped)

    def update(self, predictions):
        """Adds a batch of predictions.

        Args:
            predictions: dict of arrays: `image_ids` (B,), negative for padding, which is left out; `panoptic` int
                (B, H, W) on the network's canvas, 0 void, s the segment of slot s - 1; `segment_classes` int (B, S),
                1..P, 0 for empty slots; `original_sizes`, `scales` and `offsets` (B, 2): of the image, network pixels
                per original pixel, and the place of the window in original pixels.

        Raises:
            ValueError: an array is missing, an image is not in the ground truth or has come before, or a map and its
                table of segments do not agree.
        """
        missing = [key for key in KEYS if key not in predictions]
        if missing:
            raise ValueError(f"predictions need {KEYS}, missing {missing}.")
        arrays = {key: np.asarray(value) for key, value in predictions.items()}
        for i, image_id in enumerate(arrays["image_ids"].tolist()):
            if image_id < 0:
                continue
            if image_id not in self._image_ids:
                raise ValueError(
                    f"image id {image_id} is not in the ground truth, which holds {len(self._image_ids)} images."
                )
            if image_id in self._seen:
                raise ValueError(f"image id {image_id} has come before. Call reset() before the next round.")
            self._add(image_id, {key: value[i] for key, value in arrays.items() if value.ndim})
            self._seen.add(image_id)

    def result(self, *, seen_only=False, per_category=False):
        """The metrics of all images so far.

        Args:
            seen_only: whether images that no `update` brought are left out; otherwise all their segments count as
                missed. Defaults to `False`.
            per_category: whether to add those of each category. Defaults to `False`.

        Returns:
            dict of floats as `PanopticQuality.result` gives it.
        """
        quality = self.quality
        if self._skipped:
            logging.warning("%d images left out because of their ground truth.", len(self._skipped))
        unseen = () if seen_only else sorted(self._image_ids - self._seen)
        if unseen:
            quality = PanopticQuality(quality.categories)
            quality.merge(self.quality)
            for image_id in unseen:
                quality.missed(self._segments(image_id))
        return quality.result(per_category=per_category)

    def per_category(self):
        """Counts and metrics of each category, of the images that have come: `PanopticQuality.per_category`."""
        return self.quality.per_category()

    def merge(self, other):
        """Adds what another evaluator of the same ground truth has seen.

        Args:
            other: `PanopticEvaluator` that was given other images.

        Raises:
            ValueError: both have seen an image.
        """
        twice = self._seen & other._seen
        if twice:
            raise ValueError(f"merge needs evaluators of different images, both have seen {sorted(twice)[:5]}.")
        self.quality.merge(other.quality)
        self._seen |= other._seen
        self._skipped |= other._skipped

    def _add(self, image_id, prediction):
        try:
            truth, segments = self.ground_truth.ground_truth(image_id)
        except ValueError as error:
            logging.warning("Image %s skipped: %s", image_id, error)
            self._skipped.add(image_id)
            return
        size = tuple(np.round(prediction["original_sizes"]).astype(int).tolist())
        if np.shape(truth) != size:
            file = self.ground_truth.file(image_id) if isinstance(self.ground_truth, PanopticFolder) else "true map"
            logging.warning("Image %s skipped: %s is %s, the image %s.", image_id, file, np.shape(truth), size)
            self._skipped.add(image_id)
            return
        labels, found = panoptic_results(prediction, self.categories)
        self.quality.update(truth, segments, labels, found, name=image_id)

    def _segments(self, image_id):
        if isinstance(self.ground_truth, PanopticFolder):  # without reading its PNG
            return self.ground_truth.segments(image_id)
        return self.ground_truth.ground_truth(image_id)[1]


class _InMemory:
    """A dict of maps as the object that sources give."""

    categories = None

    def __init__(self, images):
        self.image_ids = list(images)
        self.ground_truth = images.__getitem__
