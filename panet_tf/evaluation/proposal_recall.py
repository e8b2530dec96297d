"""Average recall of class-agnostic proposals."""

import gin
import numpy as np
from absl import logging
from pycocotools import mask as coco_mask

from panet_tf.evaluation.coco_ground_truth import coco_ground_truth
from panet_tf.evaluation.proposal_matching import (
    AREA_RANGES,
    THRESHOLDS,
    area_under_curve,
    log_spaced_counts,
    matched_ranks,
)
from panet_tf.evaluation.rle import masks_to_rle

METRICS = ("bbox", "segm")


@gin.register(module="panet_tf")
class ProposalRecall:
    """How many objects the best proposals of each image reach, whatever their categories.

    Average recall (AR) is the mean over IoUs of 0.5, 0.55 .. 0.95 at a number of proposals, AUC its mean over
    log-spaced numbers from 1 to all. Crowds are no objects. The numbers are pycocotools' with `useCats=0`. Each batch
    is matched as it comes, so nothing but counts is kept.

    Args:
        ground_truth: COCO dict, or the path of a JSON file.
        metrics: one or both of `"bbox"` and `"segm"`. Defaults to `None`: boxes and, where predictions hold any, masks.
        counts: increasing ints, numbers of proposals that AR is given for. The last is the most that count. Defaults to
            (10, 100, 1000).
        tight_boxes: whether box proposals are the boxes around the pasted masks (section 3.5.3), for models whose
            `boxes` are the frames that masks lie in. Defaults to `None`: as the model says (`boxes_are_frames`).
        mask_threshold: float, of the pasted probabilities. Defaults to 0.5.
        whole_pixels: the rule of pasting, see `panet_tf.ops.paste_window`. Defaults to False.

    Attributes:
        num_skipped_annotations: int, objects left out of the ground truth, see `coco_ground_truth`.
        num_maskless: int, objects without a usable mask, which are left out of `"segm"` alone.
        num_skipped_proposals: int, those that were not finite.

    Raises:
        ValueError: an unknown metric, counts that do not increase, or ground truth that is not COCO's.

    Example:
        >>> recall = ProposalRecall("instances_val2017.json")
        >>> for batch in data:
        ...     recall.update(model.predict_on_batch(batch))
        >>> recall.result()["proposals/segm/AR1000"]

    Source: Lin's thesis, section 3.5 and Tables 3.3, 4.1 and 4.6; https://cocodataset.org/#detection-eval.
    """

    def __init__(
        self,
        ground_truth,
        *,
        metrics=None,
        counts=(10, 100, 1000),
        tight_boxes=None,
        mask_threshold=0.5,
        whole_pixels=False,
    ):
        metrics = (metrics,) if isinstance(metrics, str) else metrics
        unknown = [metric for metric in metrics or () if metric not in METRICS]
        if unknown:
            raise ValueError(f"metrics must be among {METRICS}, received {unknown}.")
        counts = tuple(int(count) for count in counts)
        if not counts or counts[0] < 1 or sorted(set(counts)) != list(counts):
            raise ValueError(f"counts must be increasing numbers of at least 1, received {counts}.")
        self.metrics = None if metrics is None else tuple(metrics)
        self.counts = counts
        self.tight_boxes = tight_boxes
        self.mask_threshold = float(mask_threshold)
        self.whole_pixels = whole_pixels
        self.ground_truth, self.num_skipped_annotations = coco_ground_truth(
            ground_truth,
            with_masks=metrics is None or "segm" in metrics,
            with_keypoints=False,
            keep_maskless=metrics is None or "bbox" in metrics,
        )
        self._images = {image["id"]: image for image in self.ground_truth["images"]}
        self._objects = {image_id: [] for image_id in self._images}
        # The API goes through an image category by category, and of equal overlaps takes the later object.
        for annotation in sorted(self.ground_truth["annotations"], key=lambda a: a["category_id"]):
            if not annotation["iscrowd"]:
                self._objects[annotation["image_id"]].append(annotation)
        self.num_maskless = 0
        if metrics is None or "segm" in metrics:
            self.num_maskless = sum(len(own) - len(_with_masks(own)) for own in self._objects.values())
        self.reset()

    @classmethod
    def made_for(cls, model, data):
        """The evaluator of a model's proposals on the data's `source`."""
        made = cls(data.source.coco_ground_truth())
        made.whole_pixels = made.whole_pixels or getattr(model, "whole_pixels", False)
        if made.tight_boxes is None:
            made.tight_boxes = getattr(model, "boxes_are_frames", False)
        return made

    def reset(self):
        """Forgets all predictions."""
        self._seen, self.num_skipped_proposals = set(), 0
        self._reached = {}  # metric -> (T, A, places): objects by the place of the proposal that reaches them

    def update(self, predictions):
        """Adds a batch of predictions.

        Args:
            predictions: dict of arrays: `image_ids` (B,), negative for padding, which is left out; `boxes` (B, D, 4),
                yxyx in original pixels; `scores` (B, D); `classes` (B, D), 0 for padding; `masks` (B, D, m, m) where
                `"segm"` is asked for; `original_sizes` (B, 2) where the ground truth has no sizes.

        Raises:
            ValueError: an array is missing, an image is not in the ground truth or has come before.
        """
        needed = ["image_ids", "boxes", "scores", "classes"]
        needed += ["masks"] * ("segm" in (self.metrics or ()) or bool(self.tight_boxes))
        missing = [key for key in needed if key not in predictions]
        if missing:
            raise ValueError(f"proposals need {needed}, missing {missing}.")
        if self.metrics is None:
            self.metrics = METRICS if "masks" in predictions else METRICS[:1]
        arrays = {key: np.asarray(value) for key, value in predictions.items()}
        for i, image_id in enumerate(arrays["image_ids"].tolist()):
            if image_id < 0:
                continue
            keep = np.flatnonzero(arrays["classes"][i] > 0)
            boxes, masks = arrays["boxes"][i][keep], None
            if "segm" in self.metrics or self.tight_boxes:
                self._check_new(image_id)
                image = self._images[image_id]
                size = (image["height"], image["width"]) if "height" in image else arrays["original_sizes"][i]
                pasted = arrays["masks"][i][keep].astype("float32")
                size = tuple(int(round(float(side))) for side in size)
                masks = masks_to_rle(pasted, boxes, size, self.mask_threshold, whole_pixels=self.whole_pixels)
                if self.tight_boxes:
                    boxes = boxes_around(masks)
            self.add(image_id, arrays["scores"][i][keep], boxes=boxes, masks=masks)

    def add(self, image_id, scores, *, boxes=None, masks=None):
        """Adds the proposals of one image.

        Args:
            image_id: int, the data set's id.
            scores: float (D,).
            boxes: float (D, 4), yxyx in original pixels, or `None`: those around the masks.
            masks: list of D run-length codes, or `None` where masks are not asked for.

        Raises:
            ValueError: the image is not in the ground truth or has come before, or what a metric needs is missing.
        """
        self._check_new(image_id)
        if self.metrics is None:
            self.metrics = METRICS if masks is not None else METRICS[:1]
        scores = np.asarray(scores, "float64")
        good = np.isfinite(scores)
        if boxes is None and masks is not None:
            boxes = boxes_around(list(masks))
        if boxes is not None:
            boxes = np.asarray(boxes, "float64").reshape(-1, 4)
            good &= np.isfinite(boxes).all(axis=1)
        if not good.all():
            logging.warning("Image %d: %d proposals that are not finite left out.", image_id, np.sum(~good))
            self.num_skipped_proposals += int(np.sum(~good))
        order = np.argsort(-scores[good], kind="stable")[: self.counts[-1]]
        order = np.flatnonzero(good)[order]
        for metric in self.metrics:
            given = boxes if metric == "bbox" else masks
            if given is None:
                raise ValueError(f"the metric {metric!r} needs {'boxes' if metric == 'bbox' else 'masks'}.")
            objects = self._objects_of(metric, image_id)
            if objects:
                self._count(metric, _overlaps(metric, given, order, objects), objects)
        self._seen.add(image_id)

    def _objects_of(self, metric, image_id):
        return self._objects[image_id] if metric == "bbox" else _with_masks(self._objects[image_id])

    def _check_new(self, image_id):
        if image_id not in self._images:
            raise ValueError(f"image id {image_id} is not in the ground truth, which holds {len(self._images)} images.")
        if image_id in self._seen:
            raise ValueError(f"image id {image_id} has come before. Call reset() before the next round.")

    def _count(self, metric, overlaps, objects):
        shape = (len(THRESHOLDS), len(AREA_RANGES), self.counts[-1] + 1)
        reached = self._reached.setdefault(metric, np.zeros(shape, "int64"))
        ranks = matched_ranks(overlaps, _counted(objects))
        t, a, _ = np.nonzero(ranks < len(overlaps))
        np.add.at(reached, (t, a, ranks[ranks < len(overlaps)]), 1)

    def table(self, metric, *, seen_only=False):
        """Recall at every number of proposals.

        Args:
            metric: `"bbox"` or `"segm"`.
            seen_only: as in `result`.

        Returns:
            dict of `"counts"` int (N,), 1 to the last of `counts`; `"iou_thresholds"` float (10,); `"areas"`, names of
            the ranges of sizes, all, small, medium and large; and `"recall"` float (10, 4, N), -1 without any object.
        """
        images = self._seen if seen_only else self._images
        counted = (_counted(self._objects_of(metric, i)).sum(axis=1) for i in images)
        total = sum(counted, np.zeros(len(AREA_RANGES), "int64"))
        reached = self._reached.get(metric)
        if reached is None:
            reached = np.zeros((len(THRESHOLDS), len(AREA_RANGES), self.counts[-1] + 1), "int64")
        found = np.cumsum(reached, axis=-1)[..., : self.counts[-1]]
        recall = np.where(total[:, None] > 0, found / np.maximum(total[:, None], 1), -1.0)
        counts = np.arange(1, self.counts[-1] + 1)
        return {"counts": counts, "iou_thresholds": THRESHOLDS, "areas": tuple(AREA_RANGES), "recall": recall}

    def result(self, *, seen_only=False):
        """The numbers of all images so far.

        Args:
            seen_only: whether images that no `update` brought are left out; otherwise all their objects count as
                missed. Defaults to `False`.

        Returns:
            dict of floats between 0 and 1, or -1 without any object: for each metric `"proposals/segm/AR10"`, `AR100`,
            `AR1000` (as `counts` says), `ARs`, `ARm`, `ARl`, at the last count, `AUC`, `AUCs`, `AUCm`, `AUCl`. Where
            something was left out, also how much: `"proposals/segm/skipped_annotations"` and
            `"proposals/skipped_proposals"`.
        """
        numbers = {}
        for metric in self.metrics or METRICS[:1]:
            average = self.table(metric, seen_only=seen_only)["recall"].mean(axis=0)
            places = log_spaced_counts(self.counts[-1])
            for count in self.counts:
                numbers[f"proposals/{metric}/AR{count}"] = float(average[0, count - 1])
            for a, area in enumerate(AREA_RANGES):
                if a:
                    numbers[f"proposals/{metric}/AR{area[0]}"] = float(average[a, -1])
            for a, area in enumerate(AREA_RANGES):
                name = f"proposals/{metric}/AUC{area[0] if a else ''}"
                numbers[name] = area_under_curve(places, average[a, places - 1])
            skipped = self.num_skipped_annotations + (self.num_maskless if metric == "segm" else 0)
            if skipped:
                numbers[f"proposals/{metric}/skipped_annotations"] = float(skipped)
        if self.num_skipped_proposals:
            numbers["proposals/skipped_proposals"] = float(self.num_skipped_proposals)
        return numbers


def boxes_around(codes):
    """Boxes around run-length coded masks, float64 (D, 4), yxyx in pixels; zeros around empty ones."""
    if not codes:
        return np.zeros((0, 4))
    x, y, width, height = coco_mask.toBbox(codes).T
    return np.stack([y, x, y + height, x + width], axis=-1)


def _with_masks(objects):
    return [annotation for annotation in objects if "segmentation" in annotation]


def _counted(objects):
    areas = np.array([annotation["area"] for annotation in objects], "float64")
    return np.stack([(low <= areas) & (areas <= high) for low, high in AREA_RANGES.values()])


def _overlaps(metric, given, order, objects):
    """IoU of the chosen proposals with the objects, (D, G)."""
    if not len(order):
        return np.zeros((0, len(objects)))
    if metric == "segm":
        proposals, truths = [given[i] for i in order], [annotation["segmentation"] for annotation in objects]
    else:
        top, left, bottom, right = given[order].T
        proposals = np.stack([left, top, right - left, bottom - top], axis=-1)
        truths = np.array([annotation["bbox"] for annotation in objects], "float64")
    return np.asarray(coco_mask.iou(proposals, truths, [0] * len(objects)), "float64")
