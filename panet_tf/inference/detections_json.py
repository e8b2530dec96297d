"""Predictions as COCO JSON files."""

import json
import os
import pathlib

import numpy as np
from pycocotools import mask as coco_mask

from panet_tf.evaluation.coco_results import coco_results
from panet_tf.inference.listed_names import ListedNames


class DetectionsJson:
    """Gathers what the predictor returns and writes it as COCO JSON, in two forms.

    `results` is the list that COCO's server and evaluators take. `dataset` is a whole data set, with file names and
    category names, whose annotations carry a score: for viewers, and to correct predictions into annotations.

    Args:
        categories: sequence of dicts with `id` and `name`, as in `predictor.categories`.
        image_ids: dict from file names to the ids of a data set; a file is known by the end of its path, see
            `ListedNames`. Defaults to `None`: images are numbered from 1 on, as they come.

    Example:
        >>> coco = DetectionsJson(predictor.categories)
        >>> for result in predictor.stream(find_images("photos")):
        ...     coco.add(result)
        >>> coco.write("predictions.json")
    """

    def __init__(self, categories, *, image_ids=None):
        self.categories = tuple(dict(category) for category in categories)
        self.image_ids = None if image_ids is None else dict(image_ids)
        self._listed = None if image_ids is None else ListedNames(self.image_ids)
        self._images = []
        self._files = {}
        self._results = []

    def add(self, result):
        """Adds the instances of one image.

        Args:
            result: dict that `Predictor` returns, with masks as arrays, as run-length codes, or without.

        Returns:
            The image's id.

        Raises:
            ValueError: `image_ids` were given and do not hold the image, or an image of the same id has come before.
        """
        image_id = self.image_id(result["file_name"])
        if image_id in self._files:
            raise ValueError(
                f"an image comes once, received {result['file_name']} and {self._files[image_id]} for id {image_id}."
            )
        self._files[image_id] = result["file_name"]
        height, width = result["size"]
        self._images.append({"id": image_id, "file_name": result["file_name"] or "", "height": height, "width": width})
        masks = result.get("masks")
        self._results += coco_results(
            image_id=image_id,
            boxes=result["boxes"],
            scores=result["scores"],
            category_ids=result["category_ids"],
            size=result["size"],
            masks=None if masks is None else [_code(mask) for mask in masks],
            keypoints=result.get("keypoints"),
        )
        return image_id

    def results(self):
        """COCO results: dicts with `image_id`, `category_id`, `bbox`, `score`, `segmentation`, `keypoints`."""
        return list(self._results)

    def dataset(self):
        """A COCO data set: `images`, `annotations` (with `score`), `categories`."""
        annotations = []
        for number, result in enumerate(self._results, start=1):
            area = float(result["bbox"][2] * result["bbox"][3])
            if "segmentation" in result:
                area = float(coco_mask.area(result["segmentation"]))
            annotations.append({"id": number, **result, **_marked(result), "area": area, "iscrowd": 0})
        return {"images": self._images, "annotations": annotations, "categories": list(self.categories)}

    def write(self, path, *, results_only=False):
        """Writes `dataset`, or `results` alone. The file appears when it is whole."""
        path = pathlib.Path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_name(f".{path.name}.partial")
        partial.write_text(json.dumps(self.results() if results_only else self.dataset()), encoding="utf-8")
        os.replace(partial, path)

    def image_id(self, file_name):
        """The id of an image: of the data set, or the number of the next that comes.

        Args:
            file_name: str or path, or `None`.

        Returns:
            int.

        Raises:
            ValueError: `image_ids` were given and do not hold the image.
        """
        if self.image_ids is None:
            return len(self._images) + 1
        if not self.holds(file_name):
            raise ValueError(f"image_ids must hold every image, received {file_name!r}, which is not among them.")
        return self.image_ids[self._listed.find(file_name)]

    def holds(self, file_name):
        """Whether the data set has the image; any, where no `image_ids` were given."""
        return self._listed is None or self._listed.find(file_name) is not None


def _marked(result):
    """Keypoints as annotators leave them: labelled and visible, in place of their scores."""
    if "keypoints" not in result:
        return {}
    points = np.reshape(result["keypoints"], (-1, 3)).copy()
    points[:, 2] = 2
    return {"keypoints": points.reshape(-1).tolist(), "num_keypoints": len(points)}


def _code(mask):
    if isinstance(mask, dict):
        return mask
    code = coco_mask.encode(np.asfortranarray(mask, dtype="uint8"))
    return {"size": [int(side) for side in code["size"]], "counts": code["counts"].decode("ascii")}
