"""Cityscapes as it is downloaded: leftImg8bit and gtFine."""

import functools
import pathlib

import gin
import numpy as np

from panet_tf.data.coco_lists import choose_categories
from panet_tf.data.map_files import read_grey_ids
from panet_tf.data.problem_report import ProblemReport

# The labels that count in the benchmark: id, name, group, whether it has instances, colour. Their order is that of the
# train ids 0..18. All other ids (ego vehicle, rectification border, parking, caravan, ...) are void.
_LABELS = (
    (7, "road", "flat", 0, (128, 64, 128)),
    (8, "sidewalk", "flat", 0, (244, 35, 232)),
    (11, "building", "construction", 0, (70, 70, 70)),
    (12, "wall", "construction", 0, (102, 102, 156)),
    (13, "fence", "construction", 0, (190, 153, 153)),
    (17, "pole", "object", 0, (153, 153, 153)),
    (19, "traffic light", "object", 0, (250, 170, 30)),
    (20, "traffic sign", "object", 0, (220, 220, 0)),
    (21, "vegetation", "nature", 0, (107, 142, 35)),
    (22, "terrain", "nature", 0, (152, 251, 152)),
    (23, "sky", "sky", 0, (70, 130, 180)),
    (24, "person", "human", 1, (220, 20, 60)),
    (25, "rider", "human", 1, (255, 0, 0)),
    (26, "car", "vehicle", 1, (0, 0, 142)),
    (27, "truck", "vehicle", 1, (0, 0, 70)),
    (28, "bus", "vehicle", 1, (0, 60, 100)),
    (31, "train", "vehicle", 1, (0, 80, 100)),
    (32, "motorcycle", "vehicle", 1, (0, 0, 230)),
    (33, "bicycle", "vehicle", 1, (119, 11, 32)),
)
CATEGORIES = tuple(
    {"id": identity, "name": name, "supercategory": group, "isthing": thing, "color": list(color), "train_id": train_id}
    for train_id, (identity, name, group, thing, color) in enumerate(_LABELS)
)
_PER_LABEL = 1000


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

    def segments(self, image, height, width):
        """The ids int32 (h, w) and the segments of an image."""
        path, labels = self._map(image, "instanceIds"), self._map(image, "labelIds")
        ids = read_grey_ids(labels if labels.exists() and not path.exists() else path)
        things = {category["id"]: category["isthing"] for category in CATEGORIES}
        segments = []
        for value in np.unique(ids).tolist():
            label = value // _PER_LABEL if value >= _PER_LABEL else value
            if label in things:
                crowd = int(value < _PER_LABEL and things[label])
                segments.append({"id": value, "category_id": label, "iscrowd": crowd})
        listed = [segment["id"] for segment in segments]
        return np.where(np.isin(ids, listed), ids, 0), segments

    def _map(self, image, kind):
        return self.truth / f"{image['file_name'].removesuffix('_leftImg8bit.png')}_{self.kind}_{kind}.png"
