"""Panoptic quality of a stream of label maps."""

import gin
import numpy as np
from absl import logging

from panet_tf.ops.panoptic_ids import VOID

AREAS = ("json", "pixels")
GROUPS = (("", None), ("_things", True), ("_stuff", False))  # suffixes of the results' names

# Rows and columns of a table of common pixels; the segments follow.
_UNLISTED, _VOID, _FIRST = 0, 1, 2


@gin.register(module="panet_tf")
class PanopticQuality:
    """PQ, SQ and RQ by panopticapi's rules, from maps of segment ids in memory.

    A predicted and a true segment of one category match when their intersection over union exceeds 0.5; the union is
    without the predicted segment's pixels on void. PQ of a category is the sum of the matches' IoU over (TP + FP / 2 +
    FN / 2) = SQ x RQ, the mean IoU of the matches times their F1. Groups are means over the categories that occur, in
    truth or as a false positive; so PQ of a group is not SQ x RQ of the group. The rules that are easily missed:

    - Exactly 0.5 is no match.
    - Crowd segments are neither matched nor missed. A predicted segment that matches nothing is no false positive when
      more than half of it is on void and on the crowd of its category together; where a category has several crowd
      segments in an image, only the last of the list counts, as in panopticapi.
    - The area of a true segment is the one that its JSON states, the area of a predicted one is counted.
    - True pixels whose id no segment has are neither void nor part of a segment; a true segment without pixels is
      missed. Both are logged, and the images counted in `num_disagreements`. In a prediction either is an error.

    Only sums per category are kept: `state` and `merge` bring the sums of several workers together.

    Args:
        categories: sequence of dicts with `id`, `name` and `isthing`.
        areas: `"json"`: a true segment's area is its `area` where it has one, as panopticapi does; `"pixels"`: always
            counted. Defaults to `"json"`.
        void_in_union: bool, whether the union keeps the predicted segment's pixels on void, as bdd100k's evaluation
            does. Defaults to `False`, panopticapi's rule.

    Raises:
        ValueError: categories without `isthing`, or with one id twice.

    Example:
        >>> quality = PanopticQuality([{"id": 1, "name": "cell", "isthing": 1}])
        >>> truth = np.array([[7, 7, 7, 0]])
        >>> quality.update(truth, [{"id": 7, "category_id": 1}], truth * 2, [{"id": 14, "category_id": 1}])
        >>> quality.result()["pq"]
        1.0

    Source: Kirillov et al., "Panoptic Segmentation", section 4; panopticapi, `evaluation.py`.
    """

    def __init__(self, categories, *, areas="json", void_in_union=False):
        if areas not in AREAS:
            raise ValueError(f"areas must be one of {AREAS}, received {areas!r}.")
        self.categories = tuple(dict(category) for category in categories)
        ids = [category["id"] for category in self.categories]
        if len(set(ids)) != len(ids) or not ids:
            raise ValueError(f"categories must be at least one, with an id of its own each, received ids {ids}.")
        if any("isthing" not in category for category in self.categories):
            raise ValueError(f'categories must each say "isthing", 0 or 1, received {self.categories[:3]}.')
        self.areas = areas
        self.void_in_union = bool(void_in_union)
        self._is_thing = np.array([bool(category["isthing"]) for category in self.categories])
        self._index = {category_id: k for k, category_id in enumerate(ids)}
        self.reset()

    def reset(self):
        """Forgets all images."""
        count = len(self.categories) + 1  # the last is for true segments of categories that are not in the list
        self._iou = np.zeros(count)
        self._tp, self._fp, self._fn = (np.zeros(count, np.int64) for _ in range(3))
        self.num_images = 0
        self.num_disagreements = 0

    def update(self, truth, truth_segments, prediction, prediction_segments, *, name=None):
        """Compares the two maps of one image.

        Args:
            truth: int (height, width), segment ids, 0 is void; of any size up to int64, not only those with a colour.
            truth_segments: sequence of dicts with `id`, `category_id`, and where there are any `iscrowd` and `area`.
            prediction: int (height, width), likewise.
            prediction_segments: sequence of dicts with `id` and `category_id`.
            name: what errors call the image: its id, its file. Defaults to its number.

        Raises:
            ValueError: maps of different sizes; ids that occur twice, are 0 or negative; a predicted segment without
                pixels, without an entry, or of an unknown category.
        """
        name = f"image {self.num_images + 1}" if name is None else f"image {name}"
        truth, prediction = _label_map(truth, f"{name}, truth"), _label_map(prediction, f"{name}, prediction")
        if truth.shape != prediction.shape:
            raise ValueError(f"{name}: the maps must be of one size, received {truth.shape} and {prediction.shape}.")
        true_ids = _segment_ids(truth_segments, f"{name}, truth")
        found_ids = _segment_ids(prediction_segments, f"{name}, prediction")
        unknown = [s for s in prediction_segments if s["category_id"] not in self._index]
        if unknown:
            raise ValueError(
                f"{name}: segment {unknown[0]['id']} of the prediction has the unknown category id "
                f"{unknown[0]['category_id']}."
            )
        common = _common_pixels(truth, true_ids, prediction, found_ids)
        self._check_truth(name, common, truth, true_ids)
        _check_prediction(name, common, prediction, found_ids)
        self._count(
            common,
            np.array([self._index.get(s["category_id"], -1) for s in truth_segments], np.intp),
            np.array([self._index[s["category_id"]] for s in prediction_segments], np.intp),
            np.array([bool(s.get("iscrowd", 0)) for s in truth_segments], bool),
            self._true_areas(common, truth_segments),
        )
        self.num_images += 1

    def missed(self, truth_segments):
        """Counts an image without any prediction: each segment but crowds is missed.

        Args:
            truth_segments: as in `update`.
        """
        for segment in truth_segments:
            if not segment.get("iscrowd", 0):
                self._fn[self._index.get(segment["category_id"], -1)] += 1
        self.num_images += 1

    def result(self, *, per_category=False):
        """The metrics of all images so far.

        Args:
            per_category: whether to add those of each category that occurs. Defaults to `False`.

        Returns:
            dict of floats between 0 and 1: `"pq"`, `"sq"`, `"rq"` of all categories, `"pq_things"`, ..., `"pq_stuff"`,
            ..., and `"pq/<name>"`, `"sq/<name>"`, `"rq/<name>"`; -1 for a group of which nothing occurs.
        """
        rows = self.per_category()
        numbers = {}
        for suffix, thing in GROUPS:
            chosen = [row for row in rows if row["n"] and thing in (None, row["isthing"])]
            for key in ("pq", "sq", "rq"):
                numbers[key + suffix] = float(np.mean([row[key] for row in chosen])) if chosen else -1.0
        if per_category:
            numbers |= {f"{key}/{row['name']}": row[key] for row in rows if row["n"] for key in ("pq", "sq", "rq")}
        return numbers

    def per_category(self):
        """Counts and metrics of each category.

        Returns:
            list of dicts in the order of the categories: `id`, `name`, `isthing` (bool), `pq`, `sq`, `rq`, 0 where
            nothing matches, `tp`, `fp`, `fn`, and `n`, the sum of these three: the category occurs where it is not 0.
        """
        rows = []
        for k, category in enumerate(self.categories):
            tp, fp, fn = int(self._tp[k]), int(self._fp[k]), int(self._fn[k])
            half = max(tp + 0.5 * fp + 0.5 * fn, 0.5)
            rows.append(
                {
                    "id": category["id"],
                    "name": category.get("name") or str(category["id"]),
                    "isthing": bool(self._is_thing[k]),
                    "pq": float(self._iou[k] / half),
                    "sq": float(self._iou[k] / max(tp, 1)),
                    "rq": tp / half,
                    "tp": tp,
                    "fp": fp,
                    "fn": fn,
                    "n": tp + fp + fn,
                }
            )
        return rows

    def state(self):
        """The sums, to send to another process or to add up over replicas.

        Returns:
            dict of arrays: `iou` float64 (P + 1,), `tp`, `fp`, `fn` int64 (P + 1,), one entry a category in their order
            and one for categories that are not in the list; `num_images`, `num_disagreements` int64 ().
        """
        sums = {"iou": self._iou, "tp": self._tp, "fp": self._fp, "fn": self._fn}
        counts = {"num_images": np.int64(self.num_images), "num_disagreements": np.int64(self.num_disagreements)}
        return {key: value.copy() for key, value in sums.items()} | counts

    def merge(self, other):
        """Adds what another worker has counted.

        Args:
            other: `PanopticQuality` of the same categories, or what its `state` gave.

        Raises:
            ValueError: for another number of categories, or another list.
        """
        if isinstance(other, PanopticQuality):
            if [c["id"] for c in other.categories] != [c["id"] for c in self.categories]:
                raise ValueError("merge needs the same categories in the same order.")
            other = other.state()
        if np.shape(other["tp"]) != self._tp.shape:
            raise ValueError(f"merge needs sums of {self._tp.shape}, received {np.shape(other['tp'])}.")
        self._iou += other["iou"]
        self._tp += other["tp"]
        self._fp += other["fp"]
        self._fn += other["fn"]
        self.num_images += int(other["num_images"])
        self.num_disagreements += int(other["num_disagreements"])

    def _true_areas(self, common, segments):
        areas = common[_FIRST:].sum(axis=1)
        if self.areas == "json":
            given = [s.get("area") for s in segments]
            areas = np.array([counted if area is None else area for area, counted in zip(given, areas)])
        return areas.reshape(len(segments))

    def _check_truth(self, name, common, truth, ids):
        pixels = common.sum(axis=1)
        strays = np.setdiff1d(truth, [VOID, *ids]).tolist() if pixels[_UNLISTED] else []
        absent = ids[pixels[_FIRST:] == 0].tolist()
        for stray, rule in ((strays, "in the true map and not in the truth's list"), (absent, "in the list only")):
            if stray:
                logging.warning("%s: segment %d is %s (and %d more).", name, stray[0], rule, len(stray) - 1)
        self.num_disagreements += bool(strays or absent)

    def _count(self, common, true_classes, found_classes, is_crowd, true_areas):
        """Adds one image: `common` (n + 2, m + 2) pixels, the rest one entry a segment."""
        within, on_void = common[_FIRST:, _FIRST:], common[_VOID, _FIRST:]
        found_areas = common[:, _FIRST:].sum(axis=0)
        union = found_areas + true_areas[:, None] - within - (0 if self.void_in_union else on_void)
        alike = (true_classes[:, None] == found_classes) & ~is_crowd[:, None] & (within > 0)
        iou = np.divide(within, union, out=np.zeros(within.shape), where=alike & (union > 0))
        matches = iou > 0.5
        rows, columns = np.nonzero(matches)
        np.add.at(self._tp, true_classes[rows], 1)
        np.add.at(self._iou, true_classes[rows], iou[rows, columns])
        np.add.at(self._fn, true_classes[~matches.any(axis=1) & ~is_crowd], 1)
        # Where indices repeat, an assignment keeps the last: the last crowd of a category.
        crowds = np.full(len(self._tp), -1)
        crowds[true_classes[is_crowd]] = np.flatnonzero(is_crowd)
        crowd = crowds[found_classes]
        ignored = on_void.copy()
        ignored[crowd >= 0] += within[crowd[crowd >= 0], np.flatnonzero(crowd >= 0)]
        np.add.at(self._fp, found_classes[~matches.any(axis=0) & (ignored / found_areas <= 0.5)], 1)


def _check_prediction(name, common, prediction, ids):
    pixels = common.sum(axis=0)
    if pixels[_UNLISTED]:
        stray = np.setdiff1d(prediction, [VOID, *ids])[0]
        raise ValueError(f"{name}: segment {stray} is in the predicted map and not in the prediction's list.")
    if not pixels[_FIRST:].all():
        stray = ids[np.flatnonzero(pixels[_FIRST:] == 0)[0]]
        raise ValueError(f"{name}: segment {stray} is in the prediction's list and not in the predicted map.")


def _label_map(labels, name):
    labels = np.asarray(labels)
    if labels.ndim != 2 or labels.dtype.kind not in "iu":
        raise ValueError(f"{name}: a map of segments is int (height, width), received {labels.dtype} {labels.shape}.")
    return labels


def _segment_ids(segments, name):
    ids = np.array([segment["id"] for segment in segments], np.int64)
    if ids.size and ids.min() <= VOID:
        raise ValueError(f"{name}: ids of segments must be positive ({VOID} is void), received {ids.min()}.")
    if len(np.unique(ids)) != len(ids):
        twice = next(i for i in ids.tolist() if (ids == i).sum() > 1)
        raise ValueError(f"{name}: each segment must have an id of its own, {twice} occurs twice.")
    return ids


def _common_pixels(truth, true_ids, prediction, found_ids):
    """int64 (n + 2, m + 2): how many pixels each pair of segments, void and unlisted ids included, has in common.

    Neighbours along a row mostly belong to the same two segments, so runs of such pixels are counted.
    """
    shape = len(true_ids) + _FIRST, len(found_ids) + _FIRST
    if not truth.size:
        return np.zeros(shape, np.int64)
    truth, prediction = truth.ravel(), prediction.ravel()
    changes = truth[1:] != truth[:-1]
    changes |= prediction[1:] != prediction[:-1]
    starts = np.concatenate([[0], np.flatnonzero(changes) + 1])
    pairs = _numbers(truth[starts], true_ids) * np.int64(shape[1]) + _numbers(prediction[starts], found_ids)
    pixels = np.bincount(pairs, np.diff(starts, append=truth.size), minlength=shape[0] * shape[1])
    return pixels.astype(np.int64).reshape(shape)


def _numbers(labels, ids):
    """int32, the number of each pixel's segment in its table.

    Ids are looked up by their remainder, modulo a number for which no two of them share one: no sorting, and tables
    that fit a cache.
    """
    known = np.concatenate([[VOID], ids])
    size = len(known)
    while len(np.unique(known % size)) < len(known):
        size += size // 4 + 1
    keys, numbers = np.zeros(size, np.int64), np.full(size, _UNLISTED, np.int32)
    keys[known % size] = known
    numbers[known % size] = np.arange(_VOID, len(known) + _VOID)
    if labels.dtype != np.int32 or known.max() >= 2**31:
        labels = labels.astype(np.int64)
    keys = keys.astype(labels.dtype)
    places = labels % size
    found = numbers.take(places)
    others = keys.take(places) != labels
    if others.any():
        found[others] = _UNLISTED
    return found
