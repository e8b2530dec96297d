"""Cityscapes as it is downloaded: leftImg8bit and gtFine."""

import functools
import pathlib

import gin
import numpy as np

from panet_tf.data.coco_lists import choose_categories
from panet_tf.data.map_files import read_grey_ids
from panet_tf.data.problem_report import ProblemReport
from panet_tf.ops.cityscapes_labels import CATEGORIES, PER_LABEL

_IMAGE = "_leftImg8bit.png"


@gin.register(module="panet_tf")
class CityscapesFiles:
    """Cityscapes: `leftImg8bit/<split>/<city>/*_leftImg8bit.png` and `gtFine/<split>/<city>/*_gtFine_instanceIds.png`.

    A pixel of `instanceIds` is its label's id, or 1000 * id + number for an instance. The value is the segment's id, as
    the benchmark's own `createPanopticImgs.py` has it, and categories have the labels' ids. A group that nobody took
    apart (a thing's label without a number) is a crowd. Labels that the benchmark ignores are void. Image ids are
    positions in the sorted list of files, 1 first. Without `instanceIds` the `labelIds` are read: all things are crowds
    then, which is reported.

    Args:
        root: folder that holds `leftImg8bit` and the annotations.
        split: `"train"`, `"val"`, `"test"` (whose annotations are empty) or, with coarse ones, `"train_extra"`.
        annotations: `"gtFine"` or `"gtCoarse"`. Defaults to `"gtFine"`.

    Raises:
        ValueError: when a folder is missing; on first use, when it has no images.

    Example:
        >>> source = PanopticSource(files=CityscapesFiles(root="cityscapes", split="val"))
        >>> [category["name"] for category in source.categories]
        ['person', 'rider', 'car', 'truck', 'bus', 'train', 'motorcycle', 'bicycle']
    """

    def __init__(self, *, root, split, annotations="gtFine"):
        self.kind = annotations
        self.path = pathlib.Path(root) / "leftImg8bit" / split
        self.truth = pathlib.Path(root) / annotations / split
        for folder in (self.path, self.truth):
            if not folder.is_dir():
                raise ValueError(
                    f"Cityscapes needs the folders leftImg8bit and {annotations}, there is none at {folder}"
                )
        self.report = ProblemReport()

    def fingerprint(self):
        """Arguments of `preparation.fingerprint`."""
        return {"files": [], "folders": [self.path, self.truth], "settings": ["cityscapes", self.kind]}

    def choose(self, categories):
        """The panoptic categories to use, and the place of each category's id among them."""
        listed = {category["id"]: category for category in CATEGORIES}
        chosen = choose_categories(listed, categories, self.path)
        return chosen, {**dict.fromkeys(listed, 0), **{c["id"]: place for place, c in enumerate(chosen, start=1)}}

    @functools.cached_property
    def images(self):
        paths = sorted(self.path.glob("*/*_leftImg8bit.png"))
        if not paths:
            raise ValueError(f"Cityscapes needs images <city>/*_leftImg8bit.png, there are none in {self.path}")
        images = [
            {"id": number, "file_name": str(path.relative_to(self.path)), "height": None, "width": None}
            for number, path in enumerate(paths, start=1)
        ]
        for image in images:
            if not self._map(image, "instanceIds").exists() and self._map(image, "labelIds").exists():
                rule = "no instanceIds, the labelIds are used: all things are crowds"
                self.report.add("note", rule, file=image["file_name"], image_id=image["id"])
        return images

    def image_file(self, image):
        """Path of an image."""
        return self.path / image["file_name"]

    def instance_maps(self, image_ids=None):
        """Where the maps of instances are, for `CityscapesEvaluator`, which looks at the ids that are void here too.

        Args:
            image_ids: iterable of ints. Defaults to all images.

        Returns:
            dict from image ids to paths.
        """
        known = {image["id"]: image for image in self.images}
        chosen = known if image_ids is None else map(int, image_ids)
        return {identity: self._ids_map(known[identity]) for identity in chosen}

    @property
    def image_names(self):
        """dict from image ids to `<city>_<sequence>_<frame>`, by which the files of results are found."""
        return {image["id"]: pathlib.Path(image["file_name"]).name.removesuffix(_IMAGE) for image in self.images}

    def segments(self, image, height, width):
        """The ids int32 (h, w) and the segments of an image."""
        ids = read_grey_ids(self._ids_map(image))
        things = {category["id"]: category["isthing"] for category in CATEGORIES}
        segments = []
        for value in np.unique(ids).tolist():
            label = value // PER_LABEL if value >= PER_LABEL else value
            if label in things:
                crowd = int(value < PER_LABEL and things[label])
                segments.append({"id": value, "category_id": label, "iscrowd": crowd})
        listed = [segment["id"] for segment in segments]
        return np.where(np.isin(ids, listed), ids, 0), segments

    def _ids_map(self, image):
        """Path of the map of an image: `instanceIds`, or `labelIds` where only these are there."""
        path, labels = self._map(image, "instanceIds"), self._map(image, "labelIds")
        return labels if labels.exists() and not path.exists() else path

    def _map(self, image, kind):
        return self.truth / f"{image['file_name'].removesuffix(_IMAGE)}_{self.kind}_{kind}.png"
