"""Cityscapes' own average precision of instances."""

import os
import pathlib

import gin
import numpy as np
from absl import logging
from PIL import Image

from panet_tf.evaluation.instance_precision import (
    OVERLAPS,
    JudgedMask,
    average_precision,
    judge_mask,
    objects_that_count,
    region_areas,
)
from panet_tf.evaluation.instance_windows import check_predictions, instance_windows
from panet_tf.ops.cityscapes_labels import INSTANCE_NAMES, THINGS, instance_label_ids

_IDS_PER_IMAGE = 2**16


@gin.register(module="panet_tf")
class CityscapesEvaluator:
    """AP and AP50 of instance masks as Cityscapes' benchmark measures them, which is not COCO's AP.

    Overlaps must exceed 0.50, 0.55, ... 0.95. Every mask counts, however many an image has. Groups that nobody took
    apart, objects below 100 pixels and void are no objects; masks that lie on them are left out, if they overlap one of
    the first two by more than the threshold, or have more than that share of their pixels on all of them. The curve is
    not made monotonous, and has a point for each score. Caravans and trailers with a number are not void here, though
    the label is: that is how the benchmark's program reads its maps.

    AP50m and AP100m, of objects at most so far away, need the distances of the stereo pairs and are not given.

    Only a few numbers of each mask are kept. `result` may be asked at any time; `reset` starts anew. An image whose map
    cannot be read, or is of another size, is logged with its file, left out, and counted in `num_skipped`.

    Args:
        ground_truth: dict from image ids to maps of instances, `gtFine_instanceIds`: paths of PNG files, or int (h, w);
            what `CityscapesFiles.instance_maps()` gives.
        categories: sequence of dicts with `id`, the label's, and `name`: of classes 1, 2, ... of the predictions.
            Defaults to the eight labels with instances, in their order.
        min_region: int, pixels that an object must have to count. Defaults to 100, the benchmark's.
        per_category: whether `result` gives each label's AP too where it is not told. Defaults to `False`.
        mask_threshold: float, of the pasted probabilities. Defaults to 0.5.
        whole_pixels: the rule by which the model's masks are pasted, see `panet_tf.ops.paste_window`;
            `panet_tf.evaluate` gives the model's own. Defaults to False.

    Raises:
        ValueError: categories that are not Cityscapes', or no ground truth.

    Example:
        >>> evaluate(model, eval_data, evaluators=(CityscapesEvaluator,))
        {"cityscapes/AP": ..., "cityscapes/AP50": ...}

    Source: cityscapesScripts 2.3, `evalInstanceLevelSemanticLabeling.py`; Cordts et al., The Cityscapes Dataset for
    Semantic Urban Scene Understanding, section 5.1.
    """

    def __init__(
        self,
        ground_truth,
        *,
        categories=THINGS,
        min_region=100,
        per_category=False,
        mask_threshold=0.5,
        whole_pixels=False,
    ):
        if not ground_truth or not hasattr(ground_truth, "keys"):
            raise ValueError(f"ground_truth must be a dict from image ids to maps, received {ground_truth!r:.100}.")
        self.ground_truth = dict(ground_truth)
        self.categories = tuple(categories)
        self.min_region = int(min_region)
        self.per_category = bool(per_category)
        self.mask_threshold = float(mask_threshold)
        self.whole_pixels = whole_pixels
        self._label_ids = instance_label_ids(self.categories)
        self._objects = {}  # of each image whose map was read, how many objects of each label count
        self.reset()

    @staticmethod
    def fits(data):
        """Whether the source of the data has Cityscapes' maps."""
        return hasattr(getattr(data.source, "files", None), "instance_maps")

    @classmethod
    def made_for(cls, model, data, **kwargs):
        """The evaluator of a model on the data's `source`.

        Raises:
            ValueError: the source does not read `CityscapesFiles`.
        """
        if not cls.fits(data):
            raise ValueError(
                f"Cityscapes' AP needs a source of CityscapesFiles, which know the ids of void; received {data.source}."
            )
        made = cls(data.source.files.instance_maps(data.source.image_ids), categories=data.categories, **kwargs)
        made.whole_pixels = made.whole_pixels or getattr(model, "whole_pixels", False)
        return made

    def reset(self):
        """Forgets all predictions."""
        self._judged = {label: [] for label in INSTANCE_NAMES}
        self._seen = set()
        self._skipped = set()

    @property
    def num_skipped(self):
        """Images left out because of their ground truth."""
        return len(self._skipped)

    def update(self, predictions):
        """Adds a batch of predictions.

        Args:
            predictions: dict of arrays, as `predict` gives them: `image_ids` (B,), negative for padding, which is left
                out; `scores` (B, D); `classes` (B, D), 0 for padding; `boxes` (B, D, 4), yxyx in original pixels, and
                `masks` (B, D, m, m), or run-length codes `segmentations` (B, D); `original_sizes` (B, 2) where there
                are any, which the maps must have.

        Raises:
            ValueError: an array is missing, an image is not in the ground truth or has come before, or a class has no
                category.
        """
        arrays = check_predictions(predictions)
        for i, image_id in enumerate(arrays["image_ids"].tolist()):
            if image_id < 0:
                continue
            one = {key: value[i] for key, value in arrays.items() if value.ndim}
            ids = self._begin(image_id)
            if ids is None or not self._is_as_large(image_id, ids, one.get("original_sizes")):
                continue
            settings = {"threshold": self.mask_threshold, "whole_pixels": self.whole_pixels}
            self._judge(ids, instance_windows(image_id, one, self._label_ids, ids.shape, **settings))

    def add(self, image_id, masks, label_ids, scores):
        """Adds the masks of one image, whoever made them.

        Args:
            image_id: one of the ground truth's.
            masks: iterable of bool (h, w), in the size of the map.
            label_ids: sequence of ints, Cityscapes' ids; others than the eight with instances are left out.
            scores: sequence of floats.

        Raises:
            ValueError: the image is not in the ground truth or has come before, or a mask has another size.
        """
        ids = self._begin(image_id)
        if ids is None:
            return

        def windows():
            for mask, label, score in zip(masks, label_ids, scores, strict=True):
                if np.shape(mask) != ids.shape:
                    raise ValueError(f"image {image_id} is {ids.shape}, a mask of it is {np.shape(mask)}.")
                if label in INSTANCE_NAMES:
                    yield np.asarray(mask, bool), 0, 0, label, score

        self._judge(ids, windows())

    def result(self, *, seen_only=False, per_category=None):
        """The metrics of all images so far.

        Args:
            seen_only: whether images that no `update` brought are left out; otherwise all their objects count as
                missed. Defaults to `False`.
            per_category: whether to add those of each label. Defaults to the constructor's.

        Returns:
            dict of floats: `"cityscapes/AP"`, the mean over overlaps and over the labels that occur, and
            `"cityscapes/AP50"`; per label `"cityscapes/AP/<name>"` and `"cityscapes/AP50/<name>"`. -1 where there
            are no objects, as in COCO's metrics.
        """
        images = self._seen if seen_only else set(self.ground_truth)
        for image_id in images - set(self._objects) - self._skipped:
            self._read(image_id)
        if self._skipped:
            logging.warning("%d images left out because of their ground truth.", len(self._skipped))
        counted = [self._objects[image_id] for image_id in images - self._skipped]
        table = np.array(
            [
                [average_precision(judged, sum(of[label] for of in counted), overlap) for overlap in OVERLAPS]
                for label, judged in self._judged.items()
            ]
        )
        occurs = ~np.isnan(table[:, 0])
        table[~occurs] = -1.0
        means = table[occurs].mean(0) if occurs.any() else np.full(len(OVERLAPS), -1.0)
        numbers = {"cityscapes/AP": float(means.mean()), "cityscapes/AP50": float(means[0])}
        if self.per_category if per_category is None else per_category:
            for name, row in zip(INSTANCE_NAMES.values(), table):
                numbers |= {f"cityscapes/AP/{name}": float(row.mean()), f"cityscapes/AP50/{name}": float(row[0])}
        return numbers

    def _begin(self, image_id):
        """The map of an image that comes now, or None where it cannot be used."""
        if image_id not in self.ground_truth:
            raise ValueError(
                f"image id {image_id} is not in the ground truth, which holds {len(self.ground_truth)} images."
            )
        if image_id in self._seen:
            raise ValueError(f"image id {image_id} has come before. Call reset() before the next round.")
        self._seen.add(image_id)
        return self._read(image_id)

    def _read(self, image_id):
        """The map of an image, int (h, w), its objects counted; None where it is broken."""
        given = self.ground_truth[image_id]
        try:
            ids = read_instance_ids(given) if isinstance(given, str | os.PathLike) else np.asarray(given)
            areas = region_areas(ids)
        except ValueError as error:
            logging.warning("Image %s skipped: %s", image_id, error)
            self._skipped.add(image_id)
            return None
        self._objects[image_id] = {label: objects_that_count(areas, label, self.min_region) for label in INSTANCE_NAMES}
        return ids

    def _is_as_large(self, image_id, ids, size):
        if size is None or tuple(np.round(size).astype(int)) == ids.shape:
            return True
        logging.warning("Image %s skipped: its map is %s, the image %s.", image_id, ids.shape, tuple(size))
        self._skipped.add(image_id)
        return False

    def _judge(self, ids, windows):
        areas = region_areas(ids)
        offset = len(self._seen) * _IDS_PER_IMAGE  # no two images share a target
        for window, top, left, label, score in windows:
            judged = judge_mask(ids, areas, window, top, left, label_id=label, score=score, min_region=self.min_region)
            if judged is not None:
                target = judged.target if judged.target < 0 else judged.target + offset
                self._judged[label].append(JudgedMask(judged.score, judged.overlap, target, judged.ignored))


def read_instance_ids(path):
    """Reads a map of instances.

    Args:
        path: path of a grey PNG of 16 bits.

    Returns:
        int32 (h, w).

    Raises:
        ValueError: no such file, no image, or one with colours; the file is named.
    """
    path = pathlib.Path(path)
    try:
        with Image.open(path) as image:
            ids = np.asarray(image)
    except Exception as error:  # Pillow's readers raise nearly anything on bytes that are no image
        raise ValueError(f"{path}: {error}") from error
    if ids.ndim != 2 or ids.dtype == bool:
        raise ValueError(f"{path}: a map of instances is a grey picture, received {ids.dtype} {ids.shape}.")
    return ids.astype(np.int32)
