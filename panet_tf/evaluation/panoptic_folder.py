"""Panoptic annotations or predictions on disk: COCO's JSON and its folder of PNG files."""

import collections.abc
import json
import pathlib

from panet_tf.evaluation.panoptic_png import read_panoptic_png


class PanopticFolder:
    """Maps and segments of COCO's panoptic format; PNG files are read when they are asked for.

    Args:
        annotations: path of a JSON file, or what one holds: `annotations`, each with `image_id`, `file_name` (of the
            PNG) and `segments_info`; `categories` and `images` where there are any (submissions have none).
        folder: folder of the PNG files. Defaults to the path of the JSON without `.json`, as panopticapi has it.

    Attributes:
        categories: tuple of dicts, or `None` where the JSON has none.
        image_ids: list of ids, in the order of the JSON.

    Raises:
        ValueError: a file that is not of the format, or an image that occurs twice.

    Example:
        >>> labels, segments = PanopticFolder("panoptic_val2017.json").ground_truth(139)

    Source: https://cocodataset.org/#format-data, section 4, and #format-results.
    """

    def __init__(self, annotations, folder=None):
        self.name = "annotations"
        if not isinstance(annotations, collections.abc.Mapping):
            path = pathlib.Path(annotations)
            self.name, folder = str(path), path.with_suffix("") if folder is None else folder
            try:
                annotations = json.loads(path.read_text(encoding="utf-8"))
            except (OSError, ValueError) as error:
                raise ValueError(f"{path}: {error}") from error
        if not isinstance(annotations, collections.abc.Mapping) or "annotations" not in annotations:
            raise ValueError(f"{self.name}: COCO's panoptic format is a JSON object with annotations.")
        if folder is None:
            raise ValueError("folder must say where the PNG files are when annotations are no path.")
        self.folder = pathlib.Path(folder)
        if not self.folder.is_dir():
            raise ValueError(f"the folder of the PNG files must exist, received {self.folder}.")
        categories = annotations.get("categories")
        self.categories = None if categories is None else tuple(categories)
        self._annotations = {}
        for annotation in annotations["annotations"]:
            missing = [key for key in ("image_id", "file_name", "segments_info") if key not in annotation]
            if missing:
                raise ValueError(f"{self.name}: a panoptic annotation lacks {missing}: {str(annotation)[:200]}")
            if annotation["image_id"] in self._annotations:
                raise ValueError(f"{self.name}: image id {annotation['image_id']} has two annotations.")
            self._annotations[annotation["image_id"]] = annotation

        self.image_ids = list(self._annotations)

    def ground_truth(self, image_id):
        """The segments of one image.

        Args:
            image_id: one of `image_ids`.

        Returns:
            Pair of labels, int32 (height, width), and the list of `segments_info`.

        Raises:
            ValueError: a PNG that is missing or no map; or an id that no image has.
        """
        segments = self.segments(image_id)
        return read_panoptic_png(self.file(image_id)), segments

    def segments(self, image_id):
        """`segments_info` of an image, without reading its PNG."""
        return self._annotation(image_id)["segments_info"]

    def file(self, image_id):
        """Path of an image's PNG."""
        return self.folder / self._annotation(image_id)["file_name"]

    def _annotation(self, image_id):
        if image_id not in self._annotations:
            raise ValueError(f"{self.name}: there is no annotation of image id {image_id!r}.")
        return self._annotations[image_id]
