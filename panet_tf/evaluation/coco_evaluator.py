"""COCO box, mask and keypoint metrics of a stream of predictions."""

import difflib

import gin
import numpy as np
from absl import logging

from panet_tf.evaluation.coco_backends import check_backend, coco_tables, summarize, summarize_keypoints
from panet_tf.evaluation.coco_ground_truth import coco_ground_truth
from panet_tf.evaluation.coco_results import coco_results
from panet_tf.evaluation.keypoint_similarity import keypoint_count
from panet_tf.evaluation.keypoint_similarity import keypoint_sigmas as sigmas_of
from panet_tf.ops.keypoint_decoding import decode_exactly

METRICS = ("bbox", "segm", "keypoints")


@gin.register(module="panet_tf")
class CocoEvaluator:
    """COCO average precision and recall, in original pixels and with the data set's own ids.

    `update` turns each batch into COCO results at once, masks pasted and run-length encoded, so that only these are
    held; `result` compares what has come with the ground truth and may be asked at any time; `reset` starts anew.

    Keypoints are judged by object keypoint similarity on the categories that name any. Where predictions hold the maps
    (`keypoint_logits`, see `panet_tf.heads.keypoint`), points are read from these exactly, as the reference programs
    do; else the graph's own reading counts.

    Args:
        ground_truth: COCO dict, or the path of a JSON file. Missing `iscrowd` and `area` are filled in; annotations
            that cannot be counted are logged and left out (`num_skipped_annotations`), those without a usable mask of
            `"segm"` alone.
        metrics: one or several of `"bbox"`, `"segm"`, `"keypoints"`. Defaults to the first two.
        max_detections: int, the highest-scoring detections that count per image and category in AP; AR is given for 1,
            10 and this. Defaults to 100, which is COCO's; images of cells hold more.
        backend: `"pycocotools"`, or one of the faster `"hotcoco"` and `"faster_coco_eval"` (extra `fast_eval`), which
            give the same numbers. Defaults to `"pycocotools"`.
        categories: tuple of dicts with `id`: the category of class 1, 2, ... of the predictions. Defaults to the ground
            truth's list.
        mask_threshold: float, of the pasted probabilities. Defaults to 0.5.
        whole_pixels: False, True or `"inclusive"`, the rule by which the model's masks are pasted, see
            `panet_tf.ops.paste_window`. `panet_tf.evaluate` gives the model's own. Defaults to False.
        keypoint_sigmas: one number a keypoint, see `panet_tf.evaluation.keypoint_similarity`. Defaults to COCO's for 17
            keypoints.
        max_keypoint_detections: int, `max_detections` of keypoints. Defaults to 20, which is COCO's.

    Raises:
        ValueError: an unknown metric or backend, or ground truth that is not COCO's. ImportError: a backend that is not
            installed.

    Example:
        >>> evaluator = CocoEvaluator("instances_val2017.json")
        >>> for batch in data:
        ...     evaluator.update(model.predict_on_batch(batch))
        >>> evaluator.result()["segm/AP"]

    Source: https://cocodataset.org/#detection-eval.
    """

    def __init__(
        self,
        ground_truth,
        *,
        metrics=("bbox", "segm"),
        max_detections=100,
        backend="pycocotools",
        categories=None,
        mask_threshold=0.5,
        whole_pixels=False,
        keypoint_sigmas=None,
        max_keypoint_detections=20,
    ):
        metrics = (metrics,) if isinstance(metrics, str) else tuple(metrics)
        for metric in metrics:
            if metric not in METRICS:
                near = difflib.get_close_matches(str(metric), METRICS, n=1, cutoff=0.0)[0]
                raise ValueError(f'metrics must be among {METRICS}, received {metric!r}. Did you mean "{near}"?')
        for name, number in (("", max_detections), ("keypoint_", max_keypoint_detections)):
            if number < 1:
                raise ValueError(f"max_{name}detections must be at least 1, received {number}.")
        check_backend(backend)
        self.metrics = metrics
        self.max_detections = int(max_detections)
        self.backend = backend
        self.mask_threshold = float(mask_threshold)
        self.whole_pixels = whole_pixels
        self.max_keypoint_detections = int(max_keypoint_detections)
        self.ground_truth, self.num_skipped_annotations = coco_ground_truth(
            ground_truth,
            with_masks="segm" in metrics,
            with_keypoints="keypoints" in metrics,
            keep_maskless=metrics != ("segm",),
        )
        if "keypoints" in metrics:
            self.keypoint_sigmas = sigmas_of(keypoint_count(self.ground_truth["categories"]), keypoint_sigmas)
        self.categories = tuple(categories if categories is not None else self.ground_truth["categories"])
        # A slot without an id (imported heads have some) is no category of the ground truth: -1 never counts.
        ids = [-1 if category.get("id") is None else category["id"] for category in self.categories]
        self._category_ids = np.array(ids, "int64")
        self._images = {image["id"]: image for image in self.ground_truth["images"]}
        self.reset()

    def reset(self):
        """Forgets all predictions."""
        self._results = []
        self._seen = set()

    def update(self, predictions):
        """Adds a batch of predictions.

        Args:
            predictions: dict of arrays, as `predict` gives them: `image_ids` (B,), negative for padding, which is left
                out; `boxes` (B, D, 4), yxyx in original pixels; `scores` (B, D); `classes` (B, D), 0 for padding;
                `masks` (B, D, m, m), or run-length codes `segmentations` (B, D), where `"segm"` is asked for;
                `keypoints` (B, D, J, 3) where `"keypoints"` is, with `keypoint_logits`, `keypoint_rois`, `scales` and
                `offsets` for their exact reading; `original_sizes` (B, 2) where the ground truth has no sizes.

        Raises:
            ValueError: an array is missing, an image is not in the ground truth or has come before, or a class has no
                category.
        """
        pasted = "segmentations" in predictions
        needed = ["image_ids", "boxes", "scores", "classes"] + ["masks"] * ("segm" in self.metrics and not pasted)
        needed += ["keypoints"] * ("keypoints" in self.metrics)
        missing = [key for key in needed if key not in predictions]
        if missing:
            raise ValueError(f"predictions need {needed} for the metrics {self.metrics}, missing {missing}.")
        arrays = {key: np.asarray(value) for key, value in predictions.items()}
        for i, image_id in enumerate(arrays["image_ids"].tolist()):
            if image_id < 0:
                continue
            if image_id not in self._images:
                raise ValueError(
                    f"image id {image_id} is not in the ground truth, which holds {len(self._images)} images."
                )
            if image_id in self._seen:
                raise ValueError(f"image id {image_id} has come before. Call reset() before the next round.")
            self._results += self._convert(image_id, {key: value[i] for key, value in arrays.items()})
            self._seen.add(image_id)

    def result(self, *, seen_only=False, per_category=False):
        """Compares all predictions so far with the ground truth.

        Args:
            seen_only: whether images that no `update` brought are left out; otherwise all their objects count as
                missed. Defaults to `False`.
            per_category: whether to add the AP of each category. Defaults to `False`.

        Returns:
            dict of floats between 0 and 1, or -1 where there is no ground truth: for each metric `"bbox/AP"`, `AP50`,
            `AP75`, `APs`, `APm`, `APl`, `AR1`, `AR10`, `AR100` (`AR300` ... after `max_detections`), `ARs`, `ARm`,
            `ARl`, and `"bbox/AP/<name>"` per category. Of keypoints `AP`, `AP50`, `AP75`, `APm`, `APl`, and `AR` ...
            likewise.
        """
        truth, results = self.ground_truth, self._results
        if seen_only:
            truth = {
                **truth,
                "images": [image for image in truth["images"] if image["id"] in self._seen],
                "annotations": [a for a in truth["annotations"] if a["image_id"] in self._seen],
            }
        numbers = {}
        for metric in self.metrics:
            numbers |= self._numbers(metric, truth, results, per_category)
        return numbers

    def _numbers(self, metric, truth, results, per_category):
        """The numbers of one metric, by name."""
        categories = {category["id"]: category for category in truth["categories"]}
        if metric == "keypoints":  # the others have nothing to compare
            categories = {number: category for number, category in categories.items() if category.get("keypoints")}
            max_detections, settings = (self.max_keypoint_detections,), {"keypoint_sigmas": self.keypoint_sigmas}
            annotations = [a for a in truth["annotations"] if a["category_id"] in categories]
            truth = {**truth, "categories": list(categories.values()), "annotations": annotations}
        else:
            most = self.max_detections
            max_detections, settings = tuple(sorted({n for n in (1, 10) if n < most} | {most})), {}
        if metric == "segm":
            truth = {**truth, "annotations": [a for a in truth["annotations"] if "segmentation" in a]}
        results = [result for result in results if result["category_id"] in categories]
        precision, recall = coco_tables(
            truth, results, metric=metric, max_detections=max_detections, backend=self.backend, **settings
        )

        def summary(precision, recall):
            if metric == "keypoints":
                return summarize_keypoints(precision, recall)
            return summarize(precision, recall, max_detections)

        numbers = {f"{metric}/{name}": value for name, value in summary(precision, recall).items()}
        if per_category:
            for k, (category_id, category) in enumerate(sorted(categories.items())):
                one = summary(precision[:, :, k : k + 1], recall[:, k : k + 1])
                numbers[f"{metric}/AP/{category.get('name') or category_id}"] = one["AP"]
        return numbers

    def detections(self):
        """All predictions so far as a list of COCO results, ready for JSON."""
        return list(self._results)

    def _convert(self, image_id, prediction):
        """COCO results of one image."""
        keep = np.flatnonzero(prediction["classes"] > 0)
        finite = np.isfinite(prediction["boxes"][keep]).all(-1) & np.isfinite(prediction["scores"][keep])
        if not finite.all():
            logging.warning("Image %d: %d detections that are not finite left out.", image_id, np.sum(~finite))
            keep = keep[finite]
        classes = prediction["classes"][keep].astype("int64")
        if classes.size and classes.max() > len(self._category_ids):
            raise ValueError(
                f"classes must be 1..{len(self._category_ids)} (one a category), received {classes.max()}."
            )
        return coco_results(
            image_id=image_id,
            boxes=prediction["boxes"][keep],
            scores=prediction["scores"][keep],
            category_ids=self._category_ids[classes - 1] if classes.size else (),
            size=self._size(image_id, prediction),
            masks=self._masks(prediction, keep),
            keypoints=self._keypoints(prediction, keep) if "keypoints" in self.metrics else None,
            threshold=self.mask_threshold,
            whole_pixels=self.whole_pixels,
        )

    def _masks(self, prediction, keep):
        """What `coco_results` takes for masks of the kept slots."""
        if "segm" not in self.metrics:
            return None
        return list(prediction["segmentations"][keep]) if "segmentations" in prediction else prediction["masks"][keep]

    def _keypoints(self, prediction, keep):
        """Points of the kept slots, (n, J, 3): read from the maps where there are any."""
        points = prediction["keypoints"][keep]
        number = len(self.keypoint_sigmas)
        if points.shape[1:] != (number, 3):
            raise ValueError(f"keypoints must be ({number}, 3) a detection, received {points.shape[1:]}.")
        if "keypoint_logits" in prediction:
            exact = decode_exactly(
                prediction["keypoint_logits"][keep],
                prediction["keypoint_rois"][keep],
                scales=prediction["scales"],
                offsets=prediction["offsets"],
            )
            points = np.concatenate([exact[..., :2], points[..., 2:]], axis=-1)
        return np.nan_to_num(points)

    def _size(self, image_id, prediction):
        """(height, width) of the ground truth's masks, which the detections' masks must have too."""
        image = self._images[image_id]
        given = tuple(np.round(prediction["original_sizes"]).astype(int)) if "original_sizes" in prediction else None
        stated = (image["height"], image["width"]) if "height" in image and "width" in image else given
        if stated is None:
            raise ValueError(
                f"image {image_id} has no height and width in the ground truth, and no original_sizes came."
            )
        if given is not None and given != tuple(stated):
            logging.warning("Image %d is %s by the ground truth and %s by the data.", image_id, tuple(stated), given)
        return stated
