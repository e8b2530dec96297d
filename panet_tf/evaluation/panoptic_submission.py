"""Panoptic predictions as COCO's server and panopticapi take them."""

import json
import os
import pathlib

import gin
import numpy as np

from panet_tf.evaluation.panoptic_png import write_panoptic_png
from panet_tf.evaluation.panoptic_results import KEYS, panoptic_results


@gin.register(module="panet_tf")
class PanopticSubmission:
    """Writes predictions as a folder of PNG files and the JSON beside it, `<folder>.json`.

    It stands among the evaluators of `panet_tf.evaluate`, whose `update` gets each batch; `add` takes what the
    predictor returns. PNG files are written as they come, the JSON by `result` or `write`. `PanopticFolder` reads both
    back.

    Args:
        folder: folder of the PNG files.
        categories: sequence of dicts with `id`: of the classes 1, 2, ... of the predictions; they are part of the JSON.
        file_names: dict from image ids to the names of PNG files. Defaults to `None`: twelve digits, as COCO's.

    Example:
        >>> submission = PanopticSubmission("out/panoptic", categories=model.panoptic_categories)
        >>> evaluate(model, eval_data, evaluators=(PanopticEvaluator, submission))

    Source: https://cocodataset.org/#format-results, section 4.
    """

    def __init__(self, folder, *, categories, file_names=None):
        self.folder = pathlib.Path(folder)
        self.categories = tuple(dict(category) for category in categories)
        self.file_names = dict(file_names or {})
        self.reset()

    @classmethod
    def made_for(cls, model, data, **kwargs):
        """The submission of a model's predictions, with its categories, or the data's where it has none of its own."""
        categories = getattr(model, "panoptic_categories", None) or getattr(data, "panoptic_categories", None)
        if not categories:
            raise ValueError("a panoptic submission needs panoptic_categories, of the model or of the data.")
        return cls(categories=categories, **kwargs)

    def reset(self):
        """Forgets all predictions; files stay until they are written anew."""
        self._annotations = {}

    def update(self, predictions):
        """Adds a batch of predictions.

        Args:
            predictions: dict of arrays, as `PanopticEvaluator.update` takes it.

        Raises:
            ValueError: an array is missing, or an image has come before.
        """
        missing = [key for key in KEYS if key not in predictions]
        if missing:
            raise ValueError(f"panoptic predictions need {KEYS}, missing {missing}.")
        arrays = {key: np.asarray(value) for key, value in predictions.items()}
        for i, image_id in enumerate(arrays["image_ids"].tolist()):
            if image_id >= 0:
                one = {key: value[i] for key, value in arrays.items() if value.ndim}
                self.add(image_id, *panoptic_results(one, self.categories))

    def add(self, image_id, labels, segments):
        """Writes the PNG of one image and keeps its segments.

        Args:
            image_id: int, the data set's.
            labels: int (height, width), ids of segments.
            segments: sequence of dicts with `id` and `category_id`; those with `area`, `bbox`, `iscrowd`, `score` keep
                them, so that the JSON can serve as annotations.

        Raises:
            ValueError: an image that has come before, or map and list that do not hold the same ids.
        """
        if image_id in self._annotations:
            raise ValueError(f"image id {image_id} has come before. Call reset() before the next round.")
        name = self.file_names.get(image_id) or f"{image_id:012d}.png"
        listed, shown = {segment["id"] for segment in segments}, set(np.unique(labels).tolist()) - {0}
        if listed != shown or len(listed) != len(segments):
            raise ValueError(
                f"{name}: map and list must hold the same segments, each once; received {sorted(shown - listed)[:5]} "
                f"in the map only and {sorted(listed - shown)[:5]} in the list only."
            )
        write_panoptic_png(self.folder / name, labels)
        kept = ("id", "category_id", "area", "bbox", "iscrowd", "score")
        segments = [{key: _plain(segment[key]) for key in kept if key in segment} for segment in segments]
        self._annotations[image_id] = {"image_id": image_id, "file_name": name, "segments_info": segments}

    def result(self, **_):
        """Writes the JSON; there are no metrics: `{}`."""
        self.write()
        return {}

    def write(self):
        """Writes the JSON.

        Returns:
            Its path, `<folder>.json`.
        """
        path = self.folder.with_name(self.folder.name + ".json")
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_name(f".{path.name}.partial")
        content = {"annotations": list(self._annotations.values()), "categories": list(self.categories)}
        partial.write_text(json.dumps(content), encoding="utf-8")
        os.replace(partial, path)
        return path


def _plain(value):
    return value.tolist() if isinstance(value, np.generic | np.ndarray) else value
