"""TFDS's own COCO panoptic data set."""

import io
import json
import pathlib

import gin
import numpy as np
import tensorflow as tf
import tensorflow_datasets as tfds

from panet_tf.data.coco_lists import choose_categories, read_categories
from panet_tf.data.map_files import read_color_ids
from panet_tf.data.preparation import quiet_tfds
from panet_tf.data.problem_report import ProblemReport


@gin.register(module="panet_tf")
class TfdsPanopticFiles:
    """`tfds.load("coco/2017_panoptic")`, or any TFDS data set of the same features.

    TFDS keeps neither the categories' ids nor which of them are things: both come from a list of categories, matched
    by name. Its `panoptic_image` has the segments' ids in COCO's colours. The data are written again in this package's
    own form, which can be read at random places: as much disk again.

    Args:
        split: str, split of the data set, `"train"` or `"validation"`.
        categories: path of a JSON list of categories with `"id"`, `"name"` and `"isthing"`, as
            `panoptic_coco_categories.json` of panopticapi, or of a panoptic JSON that has one; or the list itself.
        builder: name of the data set, or its TFDS builder. Defaults to `"coco/2017_panoptic"`.
        data_dir: folder of TFDS's data sets. Defaults to TFDS's own.

    Raises:
        ValueError: when the data set has not been prepared (`tfds.load` does), has other features, or the list lacks a
            name.

    Example:
        >>> files = TfdsPanopticFiles(split="validation", categories="panoptic_coco_categories.json")
        >>> source = PanopticSource(files=files)
    """

    def __init__(self, *, split, categories, builder="coco/2017_panoptic", data_dir=None):
        self.split, self.report = split, ProblemReport()
        with quiet_tfds():
            self.builder = tfds.builder(builder, data_dir=data_dir) if isinstance(builder, str) else builder
        self.path = f"{self.builder.info.full_name}[{split}]"
        missing = {"image", "image/id", "panoptic_image", "panoptic_objects"} - set(self.builder.info.features)
        if missing:
            raise ValueError(f"a TFDS data set like coco/2017_panoptic is needed, {self.path} lacks {sorted(missing)}")
        if split not in self.builder.info.splits:
            raise ValueError(
                f"split must be one of {sorted(self.builder.info.splits)} of {self.path}, received {split!r}. A data "
                "set that lists none has not been prepared: see tfds.load."
            )
        if isinstance(categories, (str, pathlib.Path)):
            content = json.loads(pathlib.Path(categories).read_text())
            categories = content["categories"] if isinstance(content, dict) else content
        listed = read_categories(categories, self.report, pathlib.Path(self.path)).values()
        by_name = {category["name"]: category for category in listed}
        names = self.builder.info.features["panoptic_objects"]["label"].names
        lacking = sorted(set(names) - set(by_name))
        if lacking:
            raise ValueError(f"categories must name all of {self.path}, received none for {lacking[:5]}")
        self._categories = [by_name[name] for name in names]
        self.images = _Examples(self.builder, split)

    def fingerprint(self):
        """Arguments of `preparation.fingerprint`."""
        settings = ["tfds", self.path, self._categories, self.builder.info.splits[self.split].num_examples]
        return {"files": [], "folders": [self.builder.data_dir], "settings": settings}

    def choose(self, categories):
        """The panoptic categories to use, and the place of each category's id among them."""
        listed = {category["id"]: category for category in self._categories}
        chosen = choose_categories(listed, categories, self.path)
        return chosen, {**dict.fromkeys(listed, 0), **{c["id"]: place for place, c in enumerate(chosen, start=1)}}

    def image_file(self, image):
        """Bytes of an image."""
        return image["example"]["image"]

    def segments(self, image, height, width):
        """The ids int32 (h, w) and the segments of an image."""
        example = image["example"]
        objects = example["panoptic_objects"]
        columns = (np.asarray(objects[key]).tolist() for key in ("id", "label", "is_crowd", "area"))
        segments = [
            {"id": identity, "category_id": self._categories[label]["id"], "iscrowd": int(crowd), "area": area}
            for identity, label, crowd, area in zip(*columns)
        ]
        return read_color_ids(io.BytesIO(example["panoptic_image"])), segments


class _Examples:
    """The examples of a split, one pass each time, pictures encoded."""

    def __init__(self, builder, split):
        self._builder, self._split = builder, split

    def __len__(self):
        return self._builder.info.splits[self._split].num_examples

    def __iter__(self):
        skipped = {key: tfds.decode.SkipDecoding() for key in ("image", "panoptic_image")}
        with quiet_tfds(), tf.device("CPU"):
            dataset = self._builder.as_dataset(split=self._split, decoders=skipped, shuffle_files=False)
        for example in dataset.as_numpy_iterator():
            name = example.get("image/filename", b"").decode()
            yield {"id": int(example["image/id"]), "file_name": name, "height": None, "width": None, "example": example}
