"""Masks that are guessed from a box and its category alone: the floor that learned masks must beat."""

import numpy as np

from panet_tf.data.segmentations import sample_rle
from panet_tf.evaluation.coco_ground_truth import coco_ground_truth

THRESHOLDS = np.arange(1, 20) / 20
MAX_LOOKED_AT = 20_000  # instances that the threshold is chosen on


class ShapeMasks:
    """Mean masks of the instances of each category, one for each class of aspect ratios (Lin's thesis, section 2.7).

    Masks of training instances are sampled over their boxes and averaged. The classes of a category hold equally many
    of its instances, from tall to wide. A category without any instance has the means of all.

    Args:
        category_ids: ints (K,), the data set's.
        means: float (K, A, S, S), shares of instances that cover a place of their box.
        edges: float (K, A - 1), borders between the classes, in logarithms of width over height.
        threshold: float, what share makes a place part of the mask. Defaults to 0.5.
        names: K str, of the categories, for pictures. Defaults to `None`: their ids.

    Example:
        >>> shapes = ShapeMasks.learned("instances_train2017.json")
        >>> shapes([[10, 10, 90, 40]], category_ids=[1]).shape
        (1, 28, 28)
    """

    def __init__(self, category_ids, means, edges, *, threshold=0.5, names=None):
        self.category_ids = np.asarray(category_ids, "int64")
        self.means, self.edges = np.asarray(means, "float32"), np.asarray(edges, "float64")
        self.threshold = float(threshold)
        self.names = tuple(str(name) for name in (self.category_ids if names is None else names))
        if len(self.category_ids) != len(self.means) or self.edges.shape != (len(self.means), self.means.shape[1] - 1):
            raise ValueError(
                "means must be (K, A, S, S) and edges (K, A - 1) for K categories, received "
                f"{self.means.shape} and {self.edges.shape} for {len(self.category_ids)}."
            )
        self._rows = {number: row for row, number in enumerate(self.category_ids.tolist())}

    @classmethod
    def learned(cls, source, *, size=28, num_aspects=3, prior=20, threshold=None):
        """The mean masks of a data set.

        The mean of a few instances is mostly their accidents. Therefore the mean of a category counts as `prior`
        instances in that of each of its classes, and the mean of all as many in that of a category; of thousands of
        instances that changes nothing.

        Half of all masks covering a place is what gives the fewest wrong pixels, not the highest overlap: the more the
        masks of a category differ, the lower the threshold of the highest IoU. It is found on the training instances,
        each compared with the means of the others.

        Args:
            source: COCO dict with masks, or the path of a JSON file. Crowds and boxes without an area are left out.
            size: int S, places a side. Defaults to 28.
            num_aspects: int A, classes of aspect ratios. Defaults to 3, as many as the thesis's detector has.
            prior: number of at least 0; 0 gives plain means. Defaults to 20.
            threshold: float, or `None` (default) for that of the highest mean overlap with up to 20,000 instances.

        Returns:
            `ShapeMasks`.

        Raises:
            ValueError: not a COCO instance file, or one without any instance.
        """
        truth, _ = coco_ground_truth(source, with_masks=True, with_keypoints=False)
        instances = [a for a in truth["annotations"] if not a["iscrowd"] and min(a["bbox"][2:]) > 0]
        if not instances:
            raise ValueError("shape masks are learned from instances, received annotations without any.")
        categories = truth["categories"]
        rows = {category["id"]: row for row, category in enumerate(categories)}
        row = np.array([rows[a["category_id"]] for a in instances])
        aspect = np.array([_aspect(a["bbox"][2], a["bbox"][3]) for a in instances])
        own = [aspect[row == k] for k in range(len(categories))] + [aspect]  # the last row is of all categories
        edges = np.stack([_quantiles(values if len(values) else aspect, num_aspects) for values in own])
        sums = _Sums(np.zeros((len(own), num_aspects, size, size)), prior)
        looked_at, step = [], -(-len(instances) // MAX_LOOKED_AT)
        for number, (annotation, k, ratio) in enumerate(zip(instances, row, aspect)):
            x, y, width, height = annotation["bbox"]
            grid = sample_rle(annotation["segmentation"], (y, x, y + height, x + width), size) > 0
            sums.add(k, _kind(edges[k], ratio), grid)
            sums.add(-1, _kind(edges[-1], ratio), grid)
            if number % step == 0:
                looked_at.append((k, _kind(edges[k], ratio), grid))
        means = [[sums.mean(k, kind) for kind in range(num_aspects)] for k in range(len(categories))]
        threshold = sums.best_threshold(looked_at) if threshold is None else threshold
        names = [category.get("name", category["id"]) for category in categories]
        return cls(list(rows), np.array(means), edges[:-1], threshold=threshold, names=names)

    def __call__(self, boxes, category_ids):
        """Masks of boxes.

        Args:
            boxes: float (D, 4), yxyx.
            category_ids: ints (D,), the data set's.

        Returns:
            float32 (D, S, S), to be pasted into the boxes.

        Raises:
            ValueError: a category that was not learned.
        """
        boxes = np.asarray(boxes, "float64").reshape(-1, 4)
        masks = np.zeros((len(boxes), *self.means.shape[2:]), "float32")
        for i, (box, number) in enumerate(zip(boxes, np.asarray(category_ids).tolist())):
            if number not in self._rows:
                raise ValueError(f"category ids must be among those learned, received {number}.")
            row = self._rows[number]
            masks[i] = self.means[row, _kind(self.edges[row], _aspect(box[3] - box[1], box[2] - box[0]))]
        return masks

    def save(self, path):
        """Writes an `.npz` file that `load` reads."""
        arrays = {name: getattr(self, name) for name in ("category_ids", "means", "edges", "threshold", "names")}
        with open(path, "wb") as file:
            np.savez_compressed(file, **arrays)

    @classmethod
    def load(cls, path):
        """Reads what `save` wrote."""
        with np.load(path, allow_pickle=False) as arrays:
            first, rest = ("category_ids", "means", "edges"), ("threshold", "names")
            return cls(*(arrays[name] for name in first), **{name: arrays[name] for name in rest})


class _Sums:
    """Sums of sampled masks by category and class of aspect ratios; the last row is of all categories."""

    def __init__(self, sums, prior):
        self.sums, self.counts, self.prior = sums, np.zeros(sums.shape[:2]), prior

    def add(self, row, kind, grid):
        self.sums[row, kind] += grid
        self.counts[row, kind] += 1

    def mean(self, row, kind, without=None):
        """The mean (S, S) of a class, as if one of its masks, `without`, had never been there."""
        one, grid = (0, 0.0) if without is None else (1, without)
        whole_box = np.ones(self.sums.shape[2:])
        shape = self._among(whole_box, 0, self.sums[-1].sum(axis=0) - grid, self.counts[-1].sum() - one)
        if not self.counts[row].any():
            return self._among(shape, self.prior, self.sums[-1, kind], self.counts[-1, kind])
        shape = self._among(shape, self.prior, self.sums[row].sum(axis=0) - grid, self.counts[row].sum() - one)
        return self._among(shape, self.prior, self.sums[row, kind] - grid, self.counts[row, kind] - one)

    @staticmethod
    def _among(wider, prior, total, count):
        """Mean of `count` masks and `prior` times a wider mean."""
        return (total + prior * wider) / (count + prior) if count + prior > 0 else wider

    def best_threshold(self, instances):
        """That of the highest mean IoU of instances (row, kind, mask) with their class's mean without them."""
        overlaps = np.zeros(len(THRESHOLDS))
        for row, kind, grid in instances:
            shapes = self.mean(row, kind, without=grid) >= THRESHOLDS[:, None, None]
            both, either = ((grid & shapes).sum(axis=(1, 2)), (grid | shapes).sum(axis=(1, 2)))
            overlaps += both / np.maximum(either, 1)
        return float(THRESHOLDS[overlaps.argmax()])


def _aspect(width, height):
    return float(np.log(max(width, 1e-6) / max(height, 1e-6)))


def _quantiles(values, classes):
    return np.quantile(values, np.arange(1, classes) / classes)


def _kind(edges, aspect):
    return int(np.searchsorted(edges, aspect, side="right"))
