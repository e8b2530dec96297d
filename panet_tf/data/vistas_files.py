"""Mapillary Vistas as it is downloaded."""

import functools
import json
import pathlib

import gin
import numpy as np

from panet_tf.data.coco_lists import choose_categories
from panet_tf.data.map_files import read_grey_ids
from panet_tf.data.problem_report import ProblemReport

_PER_LABEL = 256


@gin.register(module="panet_tf")
class VistasFiles:
    """Mapillary Vistas 1.2 or 2.0: `<split>/images/*.jpg`, 16-bit `instances/*.png` and the version's JSON of labels.

    A pixel is 256 * label + number of the instance, label being a place in the JSON's list. Labels with `instances` are
    things, each of their values a segment; all pixels of another label are one segment; labels without `evaluate` are
    void. Category ids are label + 1, as in the data set's own panoptic JSON, and names the `readable` ones. Image ids
    are positions in the sorted list of files, 1 first.

    The folder `panoptic` of the same download is in COCO's format: `CocoPanopticFiles` reads it, and gives the ids of
    the data set's own evaluation.

    Args:
        root: folder of the data set.
        split: `"training"` or `"validation"`.
        version: `"1.2"` or `"2.0"`. Annotations lie in `<split>/v<version>/instances`, or, in older downloads of 1.2,
            in `<split>/instances`; labels in `config_v<version>.json` or `config.json`. Defaults to `"1.2"`.

    Raises:
        ValueError: when a file or folder is missing; on first use, when it has no images.

    Example:
        >>> source = PanopticSource(files=VistasFiles(root="vistas", split="validation"))
    """

    def __init__(self, *, root, split, version="1.2"):
        if version not in ("1.2", "2.0"):
            raise ValueError(f'version must be "1.2" or "2.0", received {version!r}')
        root, self.version = pathlib.Path(root), version
        configs, maps = [root / f"config_v{version}.json"], [root / split / f"v{version}" / "instances"]
        if version == "1.2":
            configs.append(root / "config.json")
            maps.append(root / split / "instances")
        self.path, self.folder = root / split, root / split / "images"
        self.config = next((path for path in configs if path.is_file()), None)
        self.truth = next((path for path in maps if path.is_dir()), None)
        for found, places in ((self.config, configs), (self.truth, maps), (self.folder, [self.folder])):
            if found is None or not found.exists():
                raise ValueError(f"Mapillary Vistas {version} needs {' or '.join(map(str, places))}, there is none")
        self.report = ProblemReport()

    def fingerprint(self):
        """Arguments of `preparation.fingerprint`."""
        return {"files": [self.config], "folders": [self.folder, self.truth], "settings": ["vistas"]}

    @functools.cached_property
    def categories(self):
        """All categories that are evaluated, tuple of dicts."""
        try:
            labels = json.loads(self.config.read_text())["labels"]
            return tuple(
                {
                    "id": number + 1,
                    "name": label["readable"],
                    "supercategory": label["name"].split("--")[0],
                    "isthing": int(label["instances"]),
                    "color": [int(value) for value in label["color"]],
                }
                for number, label in enumerate(labels)
                if label["evaluate"]
            )
        except (ValueError, KeyError, TypeError) as e:
            raise ValueError(f"Vistas' JSON must list labels, received something else in {self.config}: {e!r}") from e

    def choose(self, categories):
        """The panoptic categories to use, and the place of each category's id among them."""
        listed = {category["id"]: category for category in self.categories}
        chosen = choose_categories(listed, categories, self.config)
        return chosen, {**dict.fromkeys(listed, 0), **{c["id"]: place for place, c in enumerate(chosen, start=1)}}

    @functools.cached_property
    def images(self):
        paths = sorted(path for path in self.folder.iterdir() if path.suffix.lower() in (".jpg", ".jpeg", ".png"))
        if not paths:
            raise ValueError(f"Mapillary Vistas needs images, there are none in {self.folder}")
        return [
            {"id": number, "file_name": path.name, "height": None, "width": None}
            for number, path in enumerate(paths, start=1)
        ]

    def image_file(self, image):
        """Path of an image."""
        return self.folder / image["file_name"]

    def segments(self, image, height, width):
        """The ids int32 (h, w) and the segments of an image; ids are the pixels' values + 1, as 0 is void."""
        values = read_grey_ids((self.truth / image["file_name"]).with_suffix(".png"))
        things = {category["id"]: category["isthing"] for category in self.categories}
        found, places = np.unique(values, return_inverse=True)
        ids, segments = np.zeros_like(found), {}
        for place, value in enumerate(found.tolist()):
            category = value // _PER_LABEL + 1
            if category in things:
                ids[place] = 1 + (value if things[category] else value // _PER_LABEL * _PER_LABEL)
                segments[ids[place]] = {"id": int(ids[place]), "category_id": category, "iscrowd": 0}
        return ids[places].reshape(values.shape), list(segments.values())
