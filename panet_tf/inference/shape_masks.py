"""Masks that are guessed from a box and its category alone: the floor that learned masks must beat."""

import numpy as np

from panet_tf.data.segmentations import sample_rle
from panet_tf.evaluation.coco_ground_truth import coco_ground_truth


class ShapeMasks:
    """Mean masks of the instances of each category, one for each class of aspect ratios (Lin's thesis, section 2.7).

    Masks of training instances are sampled over their boxes and averaged. The classes of a category hold equally many
    of its instances, from tall to wide. A category without any instance has the means of all.

    Args:
        category_ids: ints (K,), the data set's.
        means: float (K, A, S, S), shares of instances that cover a place of their box.
        edges: float (K, A - 1), borders between the classes, in logarithms of width over height.

    Example:
        >>> shapes = ShapeMasks.learned("instances_train2017.json")
        >>> shapes([[10, 10, 90, 40]], category_ids=[1]).shape
        (1, 28, 28)
    """

    def __init__(self, category_ids, means, edges):
        self.category_ids = np.asarray(category_ids, "int64")
        self.means, self.edges = np.asarray(means, "float32"), np.asarray(edges, "float64")
        if len(self.category_ids) != len(self.means) or self.edges.shape != (len(self.means), self.means.shape[1] - 1):
            raise ValueError(
                "means must be (K, A, S, S) and edges (K, A - 1) for K categories, received "
                f"{self.means.shape} and {self.edges.shape} for {len(self.category_ids)}."
            )
        self._rows = {number: row for row, number in enumerate(self.category_ids.tolist())}

    @classmethod
    def learned(cls, source, *, size=28, num_aspects=3):
        """The mean masks of a data set.

        Args:
            source: COCO dict with masks, or the path of a JSON file. Crowds and boxes without an area are left out.
            size: int S, places a side. Defaults to 28.
            num_aspects: int A, classes of aspect ratios. Defaults to 3, as many as the thesis's detector has.

        Returns:
            `ShapeMasks`.

        Raises:
            ValueError: not a COCO instance file, or one without any instance.
        """
        truth, _ = coco_ground_truth(source, with_masks=True, with_keypoints=False)
        instances = [a for a in truth["annotations"] if not a["iscrowd"] and min(a["bbox"][2:]) > 0]
        if not instances:
            raise ValueError("shape masks are learned from instances, received annotations without any.")
        ids = [category["id"] for category in truth["categories"]]
        rows = {number: row for row, number in enumerate(ids)}
        row = np.array([rows[a["category_id"]] for a in instances])
        aspect = np.array([_aspect(a["bbox"][2], a["bbox"][3]) for a in instances])
        own = [aspect[row == k] for k in range(len(ids))] + [aspect]  # the last row is of all categories
        edges = np.stack([_quantiles(values if len(values) else aspect, num_aspects) for values in own])
        sums = np.zeros((len(ids) + 1, num_aspects, size, size))
        counts = np.zeros((len(ids) + 1, num_aspects))
        for annotation, k, ratio in zip(instances, row, aspect):
            x, y, width, height = annotation["bbox"]
            grid = sample_rle(annotation["segmentation"], (y, x, y + height, x + width), size)
            for place in (k, len(ids)):
                kind = _kind(edges[place], ratio)
                sums[place, kind] += grid
                counts[place, kind] += 1
        of_all = _means(sums[-1], counts[-1])
        means = [_means(sums[k], counts[k]) if counts[k].any() else of_all for k in range(len(ids))]
        return cls(ids, np.stack(means), edges[:-1])

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
        with open(path, "wb") as file:
            np.savez_compressed(file, category_ids=self.category_ids, means=self.means, edges=self.edges)

    @classmethod
    def load(cls, path):
        """Reads what `save` wrote."""
        with np.load(path, allow_pickle=False) as arrays:
            return cls(arrays["category_ids"], arrays["means"], arrays["edges"])


def _aspect(width, height):
    return float(np.log(max(width, 1e-6) / max(height, 1e-6)))


def _quantiles(values, classes):
    return np.quantile(values, np.arange(1, classes) / classes)


def _kind(edges, aspect):
    return int(np.searchsorted(edges, aspect, side="right"))


def _means(sums, counts):
    """Means of each class; a class without any instance has the mean of all."""
    of_all = sums.sum(axis=0) / counts.sum()
    return np.where(counts[:, None, None] > 0, sums / np.maximum(counts, 1)[:, None, None], of_all)
