"""Reading and checking one COCO JSON file, without TensorFlow."""

import pathlib

from panet_tf.data.coco_lists import choose_categories, load_lists, read_categories, read_images
from panet_tf.data.coco_objects import clean_objects
from panet_tf.data.json_numbers import whole
from panet_tf.data.problem_report import ProblemReport


class CocoAnnotations:
    """The images, categories and cleaned objects of a COCO JSON file, with a report of everything that was wrong in it.

    What makes the whole file useless raises; what is wrong with one image or one annotation is skipped or repaired, and
    reported with file and ids. The rules:

    - An image needs a whole-number `id` and a `file_name`. Of two images with the same id none is used when they differ
      (nobody can know which of them the annotations mean), else the first.
    - An annotation needs a known `image_id`, a known `category_id`, and a usable `segmentation` or `bbox`. Numbers in
      quotes are read. One without an id, or with an id that another annotation has, gets a new id; an exact copy of
      another is skipped.
    - A segmentation that is present but unusable (two points, not finite, runs of another size) skips its annotation;
      parts of fewer than three points are left out of polygons of several parts. Where it is absent, the mask is the
      full box.
    - The box is `bbox`, clipped to the image. It is the mask's tight box instead, when `bbox` is absent, unusable or
      empty, or when the two disagree badly: an intersection over union below 0.5 and an edge more than 2 pixels off.
    - `area` absent or not positive: the mask's pixels (the box's, without a mask). `iscrowd` absent: 0.

    Args:
        annotations: path of a COCO JSON of `images`, `annotations`, `categories` (instances or keypoints).
        categories: None for the file's own list; or a tuple of names or of dicts with `"id"` and `"name"`: the classes
            1..K, in that order. Annotations of the file's other categories are left out and counted. Dicts are needed
            where the file has no list.
        images_alone: bool, whether a file without the list `annotations` is one of images without any. Defaults to
            False: it is refused.

    Attributes:
        path: `pathlib.Path` of the file.
        categories: tuple of dicts `{"id": int, "name": str, ...}` as in the file; class k is `categories[k - 1]`.
        listed_ids: frozenset of the ids of all categories in the file.
        images: list of dicts `{"id", "file_name", "height", "width"}` of the usable images; sizes are None where the
            file has none.
        num_keypoints: int, the most keypoints that a category has, 0 for none.
        report: `ProblemReport` of the file's structure; `objects` reports to the one that it is given.

    Raises:
        ValueError: when the file is missing, is no JSON, is a list (of results), lacks a list, or has no usable
            category or image.

    Example:
        >>> coco = CocoAnnotations("instances_val.json")
        >>> objects = coco.objects(coco.images[0], height=480, width=640, report=coco.report)
    """

    def __init__(self, annotations, *, categories=None, images_alone=False):
        self.path = pathlib.Path(annotations)
        self.report = ProblemReport()
        content = load_lists(self.path, images_alone=images_alone)
        listed = read_categories(content.get("categories") or (), self.report, self.path)
        self.listed_ids = frozenset(listed)
        self.categories = choose_categories(listed, categories, self.path)
        self.num_keypoints = max(_count(c.get("keypoints")) for c in self.categories)
        self._class_of = dict.fromkeys(listed, 0)  # 0: known, not wanted
        self._class_of.update({c["id"]: k for k, c in enumerate(self.categories, start=1)})
        images, ambiguous = read_images(content["images"], self.report, self.path)
        self.images = list(images.values())
        self._annotations = self._group_annotations(content["annotations"], images, ambiguous)

    def objects(self, image, *, height, width, report):
        """Cleans the annotations of one image.

        Args:
            image: dict, one of `images`.
            height, width: ints, size of the image in pixels.
            report: `ProblemReport` that receives what was wrong (one of its own for each thread).

        Returns:
            Dict of NumPy arrays over the n usable objects: `id` int64 (n,), `box` float32 (n, 4) yxyx in pixels,
            `class` int32 (n,) 1..K, `is_crowd` bool (n,), `area` float32 (n,), `mask` uint8 (n, 112, 14) packed bits,
            `segmentation` (n,) compressed RLE strings, `exact_box` float64 (n, 4) xywh and `exact_area` float64 (n,)
            for evaluators: as in the file, or repaired; and `keypoints` float32 (n, J, 3) y, x, visibility where the
            categories have keypoints, in continuous pixels (the file's pixel index + 0.5), all 0 for points without a
            label.
        """
        return clean_objects(
            self._annotations.get(image["id"], ()),
            image=image,
            height=height,
            width=width,
            class_of=self._class_of,
            num_keypoints=self.num_keypoints,
            report=report,
        )

    def _group_annotations(self, given, images, ambiguous):
        """Returns the annotations of known images and categories by image id, each with an id of its own."""
        identities = [whole(a.get("id")) if isinstance(a, dict) else None for a in given]
        new = max((i for i in identities if i is not None), default=0) + 1
        groups, seen = {}, {}
        for annotation, identity in zip(given, identities):
            place = {"annotation_id": identity}
            if not isinstance(annotation, dict):
                self.report.add("skipped annotation", "annotation is not a dict", detail=annotation)
                continue
            image_id, category_id = whole(annotation.get("image_id")), whole(annotation.get("category_id"))
            place["image_id"] = annotation.get("image_id") if image_id is None else image_id
            if image_id not in images:
                known = image_id in ambiguous
                rule = "image id is used for different images" if known else "image_id is not among the usable images"
                self.report.add("skipped annotation", rule, **place)
                continue
            place["file"] = images[image_id]["file_name"]
            if not self._class_of.get(category_id):
                rule = "category_id is not among the categories"
                if category_id is None:
                    rule = "no usable category_id"
                elif category_id in self._class_of:
                    rule = "category was not asked for"
                self.report.add("skipped annotation", rule, detail=repr(annotation.get("category_id")), **place)
                continue
            if identity is None:
                self.report.add(
                    "repaired", "annotation without a usable id gets a new one", detail=f"now {new}", **place
                )
            elif identity in seen:
                if seen[identity] == annotation:
                    self.report.add("skipped annotation", "exact copy of another annotation", **place)
                    continue
                rule = "annotation id is used twice, the second gets a new one"
                self.report.add("repaired", rule, detail=f"now {new}", **place)
            if identity is None or identity in seen:
                identity, new = new, new + 1
            annotation["id"] = identity
            seen[identity] = annotation
            groups.setdefault(image_id, []).append(annotation)
        return groups


def _count(names):
    return len(names) if isinstance(names, list) else 0
