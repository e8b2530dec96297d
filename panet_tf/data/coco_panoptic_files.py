"""Panoptic annotations in COCO's format: a JSON of segments, a folder of PNGs, the images."""

import functools
import pathlib

import gin

from panet_tf.data.coco_annotations import CocoAnnotations
from panet_tf.data.coco_lists import check_file, choose_categories, load_lists, read_categories, read_images
from panet_tf.data.image_builder import find_image
from panet_tf.data.json_numbers import whole
from panet_tf.data.map_files import read_color_ids
from panet_tf.data.problem_report import ProblemReport


@gin.register(module="panet_tf")
class CocoPanopticFiles:
    """COCO's panoptic format: pixel (R, G, B) belongs to the segment of id R + 256 G + 65536 B, 0 is void.

    Things and stuff follow from `isthing` in the JSON's categories, whose ids may have gaps. Of two annotations of an
    image the first counts; images without one are skipped, and counted.

    Args:
        annotations: path of the JSON: `images`, `annotations` with `segments_info`, `categories` with `isthing`.
        panoptic: folder of the PNGs.
        images: folder of the images.
        instances: None, or path of a COCO JSON of instances of the same images: training sees those in place of the
            segments of things. Panoptic segments never overlap, so an order of instances can be learned only from
            COCO's own instances, which do (OANet trains so, section 4.3). Each instance gets the segment that shows it,
            see `assign_segments`. Defaults to None.

    Raises:
        ValueError: for a path that does not exist; on first use, when the file is unusable as a whole.

    Example:
        >>> files = CocoPanopticFiles(
        ...     annotations="annotations/panoptic_val2017.json",
        ...     panoptic="annotations/panoptic_val2017",
        ...     images="val2017",
        ... )
        >>> source = PanopticSource(files=files)
    """

    def __init__(self, *, annotations, panoptic, images, instances=None):
        self.path, self.panoptic, self.folder = pathlib.Path(annotations), pathlib.Path(panoptic), pathlib.Path(images)
        self.instances_path = None if instances is None else pathlib.Path(instances)
        for name, file in (("annotations", self.path), ("instances", self.instances_path)):
            if file is not None:
                check_file(file, name)
        for name, folder in (("panoptic", self.panoptic), ("images", self.folder)):
            if not folder.is_dir():
                raise ValueError(f"{name} must be a folder, there is none at {folder}")
        self.report = ProblemReport()

    def fingerprint(self):
        """Arguments of `preparation.fingerprint`."""
        files = [self.path] if self.instances_path is None else [self.path, self.instances_path]
        return {"files": files, "folders": [self.panoptic, self.folder], "settings": ["coco"]}

    def choose(self, categories):
        """The panoptic categories to use, and the place of each category's id among them."""
        listed = read_categories(self._content.get("categories") or (), self.report, self.path)
        chosen = choose_categories(listed, categories, self.path)
        chosen = tuple({**listed.get(category["id"], {}), **category} for category in chosen)
        return chosen, {**dict.fromkeys(listed, 0), **{c["id"]: place for place, c in enumerate(chosen, start=1)}}

    def instances(self, things):
        """`CocoAnnotations` of the other file with these thing categories, or None without one."""
        if self.instances_path is None:
            return None
        found = CocoAnnotations(self.instances_path, categories=things)
        self.report.merge(found.report)
        return found

    @functools.cached_property
    def images(self):
        images, _ = read_images(self._content["images"], self.report, self.path)
        for annotation in self._content["annotations"]:
            annotation = annotation if isinstance(annotation, dict) else {}
            identity = whole(annotation.get("image_id"))
            place = {"file": str(annotation.get("file_name", "")), "image_id": annotation.get("image_id")}
            if identity not in images:
                self.report.add("skipped annotation", "unknown image_id", **place)
            elif not isinstance(annotation.get("segments_info"), list):
                self.report.add("skipped annotation", "panoptic annotation without a list segments_info", **place)
            elif "annotation" in images[identity]:
                self.report.add("skipped annotation", "second panoptic annotation of an image", **place)
            else:
                images[identity]["annotation"] = annotation
        for image in images.values():
            if "annotation" not in image:
                rule = "image without a panoptic annotation"
                self.report.add("skipped image", rule, file=image["file_name"], image_id=image["id"])
        return [image for image in images.values() if "annotation" in image]

    def image_file(self, image):
        """Path of an image."""
        return find_image(self.folder, image["file_name"])

    def segments(self, image, height, width):
        """The ids int32 (h, w) and the segments of an image."""
        annotation = image["annotation"]
        default = pathlib.Path(image["file_name"]).with_suffix(".png").name
        name = annotation.get("file_name")
        return read_color_ids(find_image(self.panoptic, str(name or default))), annotation["segments_info"]

    @functools.cached_property
    def _content(self):
        return load_lists(self.path)
