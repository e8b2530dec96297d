"""Reading and checking one COCO JSON file, without TensorFlow."""

import difflib
import json
import math
import pathlib

import numpy as np
from pycocotools import mask as mask_utils

from panet_tf.data import mask_crops
from panet_tf.data.problem_report import ProblemReport

_BOX_IOU = 0.5
_BOX_PIXELS = 2.0


class CocoAnnotations:
    """The images, categories and cleaned objects of one COCO JSON file, with a report of everything that was wrong in it.

    What makes the whole file useless raises; what is wrong with one image or one annotation is skipped or repaired, and
    reported with file and ids. The rules:

    - An image needs a unique whole-number `id` and a `file_name`. Two images with the same id are both skipped when they differ
      (nobody can know which of them the annotations mean), else the second.
    - An annotation needs a known `image_id`, a known `category_id`, and a usable `segmentation` or `bbox`. Numbers in quotes are read.
      One without an id, or with an id that another annotation has, gets a new id; an exact copy of another is skipped.
    - A segmentation that is present but unusable (two points, not finite, runs of another size) skips its annotation; parts of fewer than
      three points are left out of polygons of several parts. One that is absent: the mask is the full box.
    - The box is `bbox`, clipped to the image. It is the mask's tight box instead, when `bbox` is absent, unusable or empty, or when the two
      disagree badly: an intersection over union below 0.5 and an edge that is more than 2 pixels off.
    - `area` absent or not positive: the mask's pixels (the box's, without a mask). `iscrowd` absent: 0.

    Args:
        annotations: path of a COCO JSON of `images`, `annotations`, `categories` (instances or keypoints).
        categories: None for the file's own list; or a tuple of names or of dicts with `"id"` and `"name"`: the classes 1..K, in that
            order. Annotations of the file's other categories are left out and counted. Dicts are needed where the file has no list.

    Attributes:
        path: `pathlib.Path` of the file.
        categories: tuple of dicts `{"id": int, "name": str, ...}` as in the file; class k is `categories[k - 1]`.
        images: list of dicts `{"id", "file_name", "height", "width"}` of the usable images; sizes are None where the file has none.
        num_keypoints: int, the most keypoints that a category has, 0 for none.
        report: `ProblemReport`.

    Raises:
        ValueError: when the file is missing, is no JSON, is a list (of results), lacks a list, or has no usable category or image.

    Example:
        >>> coco = CocoAnnotations("instances_val.json")
        >>> objects = coco.objects(coco.images[0], height=480, width=640, report=coco.report)
    """

    def __init__(self, annotations, *, categories=None):
        self.path = pathlib.Path(annotations)
        self.report = ProblemReport()
        content = _load(self.path)
        self.categories, self._class_of = self._read_categories(content, categories)
        self.num_keypoints = max((len(c.get("keypoints") or ()) for c in self.categories), default=0)
        self.images = self._read_images(content["images"])
        self._annotations = self._group_annotations(content["annotations"])

    def objects(self, image, *, height, width, report):
        """Cleans the annotations of one image.

        Args:
            image: dict, one of `images`.
            height, width: ints, size of the image in pixels.
            report: `ProblemReport` that receives what was wrong (one of its own for each thread).

        Returns:
            Dict of NumPy arrays over the n usable objects: `id` int64 (n,), `box` float32 (n, 4) yxyx in pixels, `class` int32 (n,) 1..K,
            `is_crowd` bool (n,), `area` float32 (n,), `mask` uint8 (n, 112, 14) packed bits, `segmentation` (n,) compressed RLE
            strings, `exact_box` float64 (n, 4) xywh and `exact_area` float64 (n,) for evaluators: as in the file, or repaired; and
            `keypoints` float32 (n, J, 3) y, x, visibility where the categories have keypoints, in continuous pixels (the file's
            pixel index + 0.5), all 0 for points without a label.
        """
        found = []
        for annotation in self._annotations.get(image["id"], ()):
            place = {"file": image["file_name"], "image_id": image["id"], "annotation_id": annotation["id"]}
            try:
                found.append(self._clean(annotation, height, width, lambda *a, place=place, **k: report.add(*a, **place, **k)))
            except ValueError as e:
                rule, _, detail = str(e).partition(": ")
                report.add("skipped annotation", rule, detail=detail, **place)
        n = len(found)
        shapes = {"id": (np.int64, ()), "box": (np.float32, (4,)), "class": (np.int32, ()), "is_crowd": (np.bool_, ()),
                  "area": (np.float32, ()), "mask": (np.uint8, (mask_crops.CROP_SIZE, mask_crops.CROP_SIZE // 8)),
                  "segmentation": (object, ()), "exact_box": (np.float64, (4,)), "exact_area": (np.float64, ())}
        if self.num_keypoints:
            shapes["keypoints"] = (np.float32, (self.num_keypoints, 3))
        arrays = {key: np.zeros((n, *shape), dtype) for key, (dtype, shape) in shapes.items()}
        for i, values in enumerate(found):
            for key in arrays:
                arrays[key][i] = values[key]
        return arrays

    def _clean(self, annotation, height, width, add):
        rle = None
        if _present(annotation.get("segmentation")):
            rle, left_out = mask_crops.encode_segmentation(annotation["segmentation"], height, width)
            if left_out:
                add("repaired", "polygon parts of fewer than three points left out", detail=f"{left_out} parts")
        exact_box, box = self._choose_box(annotation, rle, height, width, add)
        x, y, w, h = exact_box
        crowd = annotation.get("iscrowd")
        if crowd is None:
            add("note", "no iscrowd, taken as 0")
        crowd = _number(crowd or 0)
        if crowd not in (0, 1):
            raise ValueError(f"iscrowd is not 0 or 1: {annotation.get('iscrowd')!r}")
        if rle is None:
            add("note", "no segmentation, the mask is the full box")
            x0, y0, x1, y1 = box[1], box[0], box[3], box[2]
            counts = mask_utils.frPyObjects([[x0, y0, x1, y0, x1, y1, x0, y1]], height, width)[0]["counts"].decode("ascii")
            rle = {"size": [height, width], "counts": counts}
            crop = np.ones((mask_crops.CROP_SIZE, mask_crops.CROP_SIZE), np.uint8)
            pixels = w * h
        else:
            pixels = float(mask_utils.area(rle))
            if pixels == 0:
                add("note", "segmentation covers no pixel, the mask to train on is the full box")
                crop = np.ones((mask_crops.CROP_SIZE, mask_crops.CROP_SIZE), np.uint8)
                pixels = w * h
            else:
                crop = mask_crops.sample_rle(rle, box)
                if not crop.any():
                    add("note", "segmentation lies outside of the box or between the mask's samples")
        area = _number(annotation.get("area"))
        if area is None or area <= 0:
            add("note" if annotation.get("area") is None else "repaired", "no usable area, taken from the mask", detail=annotation.get("area"))
            area = pixels
        values = {"id": annotation["id"], "class": self._class_of[_whole(annotation["category_id"])], "box": box, "is_crowd": bool(crowd),
                  "area": area, "exact_area": area, "exact_box": exact_box, "mask": mask_crops.pack(crop), "segmentation": rle["counts"]}
        if self.num_keypoints:
            values["keypoints"] = self._keypoints(annotation, add)
        return values

    def _choose_box(self, annotation, rle, height, width, add):
        """Returns the box for evaluators, xywh, and the one for training: yxyx, clipped."""
        given, problem = None, ""
        if annotation.get("bbox") is None:
            problem = "no bbox"
        else:
            numbers = [_number(v) for v in annotation["bbox"]] if isinstance(annotation["bbox"], (list, tuple)) else []
            if len(numbers) != 4 or None in numbers:
                problem = "bbox is not four finite numbers"
            else:
                x, y, w, h = given = tuple(numbers)
                clipped = _clip(given, height, width)
                if w <= 0 or h <= 0:
                    problem = "bbox has no area"
                elif clipped[2] <= clipped[0] or clipped[3] <= clipped[1]:
                    problem = "bbox lies outside of the image"
                elif max(-x, -y, x + w - width, y + h - height) > 1:
                    add("repaired", "bbox clipped to the image", detail=list(given))
        tight = tuple(float(v) for v in mask_utils.toBbox(rle)) if rle is not None else None
        if tight is not None and (tight[2] <= 0 or tight[3] <= 0):
            tight = None
        if tight is not None and not problem and _disagree(clipped, _clip(tight, height, width)):
            problem = "bbox and segmentation disagree badly"
        if not problem:
            return given, clipped
        if tight is None:
            raise ValueError(problem if annotation.get("bbox") is None else f"{problem}: {str(annotation['bbox'])[:100]}")
        add("note" if problem == "no bbox" else "repaired", f"{problem}, the mask's tight box is used", detail=annotation.get("bbox") or "")
        return tight, _clip(tight, height, width)

    def _keypoints(self, annotation, add):
        points = np.zeros((self.num_keypoints, 3), np.float32)
        given = annotation.get("keypoints")
        if given is None:
            return points
        numbers = [_number(v) for v in given] if isinstance(given, (list, tuple)) else [None]
        if None in numbers or len(numbers) % 3 or len(numbers) > 3 * self.num_keypoints:
            add("repaired", "keypoints unusable, left out", detail=f"{len(numbers)} numbers for {self.num_keypoints} keypoints")
            return points
        x, y, visible = np.asarray(numbers, np.float64).reshape(-1, 3).T
        labelled = visible > 0
        points[: len(x)] = np.stack([y + 0.5, x + 0.5, visible], axis=-1) * labelled[:, None]
        return points

    def _read_categories(self, content, wanted):
        listed = {}
        for category in content.get("categories") or ():
            number = _whole(category.get("id")) if isinstance(category, dict) else None
            if number is None:
                raise ValueError(f"every category needs a whole-number id, received {category!r} in {self.path}")
            category = {**category, "id": number, "name": str(category.get("name", number))}
            if listed.get(number, category) != category:
                raise ValueError(f"category ids must be unique, received {listed[number]} and {category} in {self.path}")
            listed[number] = category
        if wanted is None:
            if not listed:
                raise ValueError(f"a COCO file needs a list of categories, received none in {self.path}; pass categories=")
            chosen = tuple(listed.values())
        else:
            chosen = tuple(self._find_category(c, listed) for c in wanted)
            if not chosen or len({c["id"] for c in chosen}) < len(chosen):
                raise ValueError(f"categories must be one or more, each once, received {wanted}")
        class_of = {number: 0 for number in listed}  # 0: known, not wanted
        class_of.update({c["id"]: k for k, c in enumerate(chosen, start=1)})
        self.listed_ids = frozenset(listed)
        return chosen, class_of

    def _find_category(self, wanted, listed):
        if isinstance(wanted, dict):
            wanted = {**wanted, "id": _whole(wanted.get("id")), "name": str(wanted.get("name", wanted.get("id")))}
            if wanted["id"] is None:
                raise ValueError(f"every category needs a whole-number id, received {wanted!r}")
            own = listed.get(wanted["id"])
            if own is not None and own["name"] != wanted["name"]:
                raise ValueError(f"category {wanted['id']} is {wanted['name']!r} in the list asked for and {own['name']!r} in {self.path}: "
                                 "training and evaluation must share one list")
            return wanted
        for category in listed.values():
            if category["name"] == wanted:
                return category
        names = [c["name"] for c in listed.values()]
        near = difflib.get_close_matches(str(wanted), names, 1, 0.0)
        raise ValueError(f"{self.path} has no category {wanted!r}." + (f" Did you mean {near[0]!r}?" if near else ""))

    def _read_images(self, listed):
        images, clashing = {}, set()
        for image in listed:
            number = _whole(image.get("id")) if isinstance(image, dict) else None
            name = image.get("file_name") if isinstance(image, dict) else None
            if number is None:
                self.report.add("skipped image", "image id is not a whole number", file=str(name or ""), detail=str(image)[:100])
                continue
            if not name or not isinstance(name, str):
                self.report.add("skipped image", "image has no file_name", image_id=number)
                continue
            size = [_whole(image.get(k)) for k in ("height", "width")]
            if None in size or min(size) <= 0:
                self.report.add("note", "image without a usable height and width, taken from the file", file=name, image_id=number)
                size = [None, None]
            record = {"id": number, "file_name": name, "height": size[0], "width": size[1]}
            if number not in images:
                images[number] = record
            elif images[number] == record:
                self.report.add("note", "image is listed twice", file=name, image_id=number)
            else:
                clashing.add(number)
                self.report.add("skipped image", "image id is used for two different images", file=name, image_id=number,
                                detail=images[number]["file_name"])
        for number in clashing:
            self.report.add("skipped image", "image id is used for two different images", file=images.pop(number)["file_name"], image_id=number)
        if not images:
            raise ValueError(f"a COCO file needs images, received none that is usable in {self.path}\n{self.report.summary(3)}")
        self._clashing = clashing
        return list(images.values())

    def _group_annotations(self, listed):
        files = {image["id"]: image["file_name"] for image in self.images}
        numbers = [_whole(a.get("id")) if isinstance(a, dict) else None for a in listed]
        next_id = max((n for n in numbers if n is not None), default=0) + 1
        groups, seen = {}, {}
        for annotation, number in zip(listed, numbers):
            place = {"annotation_id": number}
            if not isinstance(annotation, dict):
                self.report.add("skipped annotation", "annotation is not a dict", detail=annotation)
                continue
            image_id, category_id = _whole(annotation.get("image_id")), _whole(annotation.get("category_id"))
            place.update(file=files.get(image_id, ""), image_id=image_id if image_id is not None else annotation.get("image_id"))
            if image_id not in files:
                rule = "its image is skipped" if image_id in self._clashing else "image_id is not among the images"
                self.report.add("skipped annotation", rule, **place)
                continue
            if category_id is None:
                self.report.add("skipped annotation", "no usable category_id", detail=repr(annotation.get("category_id")), **place)
                continue
            if category_id not in self._class_of:
                self.report.add("skipped annotation", "category_id is not among the categories", detail=category_id, **place)
                continue
            if self._class_of[category_id] == 0:
                self.report.add("skipped annotation", "category was not asked for", detail=category_id, **place)
                continue
            if number is None or number in seen:
                if number is not None and seen[number] == annotation:
                    self.report.add("skipped annotation", "exact copy of another annotation", **place)
                    continue
                rule = "annotation without an id gets a new one" if number is None else "annotation id is used twice, the second gets a new one"
                self.report.add("repaired", rule, detail=f"now {next_id}", **place)
                number, next_id = next_id, next_id + 1
            else:
                seen[number] = annotation
            groups.setdefault(image_id, []).append({**annotation, "id": number})
        return groups


def _load(path):
    try:
        content = json.loads(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        near = difflib.get_close_matches(path.name, [p.name for p in path.parent.glob("*.json")], 1) if path.parent.is_dir() else []
        raise ValueError(f"there is no annotation file {path}." + (f" Did you mean {near[0]}?" if near else "")) from None
    except IsADirectoryError:
        raise ValueError(f"annotations must be a COCO JSON file, received the folder {path}") from None
    except UnicodeDecodeError as e:
        raise ValueError(f"annotations must be a COCO JSON file in UTF-8, received something else in {path}") from e
    except (json.JSONDecodeError, RecursionError) as e:
        what = "an empty file" if path.stat().st_size == 0 else f"{type(e).__name__}: {e}"
        raise ValueError(f"annotations must be a COCO JSON file, {path} is not valid JSON: {what}") from e
    if isinstance(content, list):
        raise ValueError(f"annotations must be a COCO JSON with images, annotations and categories; {path} is a list, as results files are")
    for key in ("images", "annotations"):
        if not isinstance(content, dict) or not isinstance(content.get(key), list):
            raise ValueError(f"annotations must be a COCO JSON, {path} has no list {key!r}")
    if not isinstance(content.get("categories", []), list):
        raise ValueError(f"annotations must be a COCO JSON, categories in {path} are not a list")
    return content


def _present(segmentation):
    """Empty lists, and lists of empty lists, are how boxes-only exports say that there is no mask."""
    return isinstance(segmentation, dict) or bool(segmentation) and segmentation != [[]]


def _number(value):
    """A finite float from a number or a numeric string, None from anything else."""
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def _whole(value):
    if type(value) is int:  # ids beyond 2^53 must not pass through a float
        return value if abs(value) < 2**63 else None
    number = None if isinstance(value, bool) else _number(value)
    if number is None or number != int(number):
        return None
    return int(value) if isinstance(value, str) and value.strip().lstrip("+-").isdigit() else int(number)


def _clip(xywh, height, width):
    """yxyx from xywh, clipped to the image."""
    x, y, w, h = xywh
    return (min(max(y, 0.0), height), min(max(x, 0.0), width), min(max(y + h, 0.0), height), min(max(x + w, 0.0), width))


def _disagree(a, b):
    inside = max(0.0, min(a[2], b[2]) - max(a[0], b[0])) * max(0.0, min(a[3], b[3]) - max(a[1], b[1]))
    union = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - inside
    return inside < _BOX_IOU * union and max(abs(p - q) for p, q in zip(a, b)) > _BOX_PIXELS
