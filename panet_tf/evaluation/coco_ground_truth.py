"""COCO ground truth as the evaluators need it: read, checked, completed."""

import contextlib
import json
import math
import typing

from absl import logging
from pycocotools import mask as coco_mask

from panet_tf.evaluation.keypoint_similarity import complete_keypoints, keypoint_count

BROKEN = (ValueError, TypeError, KeyError, IndexError, AttributeError)  # what reading a broken annotation raises


def coco_ground_truth(source, *, with_masks=True, with_keypoints=None, keep_maskless=False):
    """Reads a COCO instance file and makes good what people's files lack.

    A missing `iscrowd` is 0, a missing `area` is the mask's (without a usable mask the box's), whether masks are asked
    for or not; a missing `bbox` is the mask's. Annotations get new ids from 1 on, because the COCO API takes id 0 for
    "no match" and merges equal ids. Annotations that cannot be counted (image or category unknown, numbers that are not
    finite, no mask where one is needed) are left out, logged with their id, and counted.

    Args:
        source: COCO dict (not changed), or the path of a JSON file.
        with_masks: whether masks are needed; they come out as compressed run-length codes. Defaults to `True`.
        with_keypoints: whether keypoints are needed; objects without any have 0 of them. Defaults to `None`: where the
            categories name any.
        keep_maskless: whether, where masks are needed, annotations with a box and without a usable mask stay, without
            `segmentation`: objects for boxes alone. Defaults to False.

    Returns:
        COCO dict with `images`, `annotations`, `categories`; int, the number of annotations left out.

    Raises:
        ValueError: not a COCO instance file, or keypoints are needed and no category names any.
    """
    name = "ground truth"
    if not isinstance(source, dict):
        name = str(source)
        with open(source, encoding="utf-8") as file:
            try:
                source = json.load(file)
            except ValueError as error:
                raise ValueError(f"ground truth must be a COCO JSON file, received {name}: {error}") from error
    missing = [key for key in ("images", "annotations", "categories") if not isinstance(_get(source, key), list)]
    if missing:
        raise ValueError(
            f"ground truth must hold the lists images, annotations and categories; {name} lacks {missing}."
        )
    images = {}
    for image in source["images"]:
        if not isinstance(_get(image, "id"), int):
            raise ValueError(f"image ids must be integers, received {_get(image, 'id')!r} in {name}.")
        images[image["id"]] = image
    for category in source["categories"]:
        if not isinstance(_get(category, "id"), int):
            raise ValueError(f"category ids must be integers, received {category!r:.100} in {name}.")
    categories = {category["id"] for category in source["categories"]}
    number = 0 if with_keypoints is False else keypoint_count(source["categories"])
    if with_keypoints and not number:
        raise ValueError(f"keypoints need categories that name them, {name} has none with a list of 'keypoints'.")
    annotations, skipped, masks = [], 0, _Masks(with_masks, keep_maskless)
    for annotation in source["annotations"]:
        try:
            annotations.append(_complete(annotation, images, categories, masks, len(annotations) + 1, number))
        except BROKEN as error:
            skipped += 1
            reason = f"it lacks {error}" if isinstance(error, KeyError) else error
            logging.warning("%s: annotation %s left out: %s", name, _get(annotation, "id"), reason)
    if skipped:
        logging.warning("%s: %d of %d annotations left out.", name, skipped, len(source["annotations"]))
    maskless = sum("segmentation" not in annotation for annotation in annotations) if with_masks else 0
    if maskless:
        logging.warning("%s: %d annotations without a usable mask count for boxes alone.", name, maskless)
    return {
        "images": list(images.values()),
        "annotations": annotations,
        "categories": list(source["categories"]),
    }, skipped


def _get(value, key):
    return value.get(key) if isinstance(value, dict) else None


class _Masks(typing.NamedTuple):
    wanted: bool
    optional: bool  # where there is a box


def _complete(annotation, images, categories, masks, new_id, num_keypoints):
    if annotation.get("image_id") not in images:
        raise ValueError(f"unknown image id {annotation.get('image_id')!r}")
    if annotation.get("category_id") not in categories:
        raise ValueError(f"unknown category id {annotation.get('category_id')!r}")
    done = {
        key: annotation[key] for key in ("image_id", "category_id", "bbox", "area") if annotation.get(key) is not None
    }
    done["id"] = new_id
    done["iscrowd"] = int(annotation.get("iscrowd") or 0)
    code, given, image = None, annotation.get("segmentation"), images[annotation["image_id"]]
    if "bbox" not in done or (masks.wanted and not masks.optional):
        code = _rle(given, image)
    elif masks.wanted or ("area" not in done and given):
        with contextlib.suppress(*BROKEN):  # the box is enough
            code = _rle(given, image)
    if masks.wanted and code:
        done["segmentation"] = code
    if "bbox" not in done:
        done["bbox"] = coco_mask.toBbox(code).tolist()
    if "area" not in done:
        done["area"] = float(coco_mask.area(code)) if code else done["bbox"][2] * done["bbox"][3]
    if len(done["bbox"]) != 4 or not all(math.isfinite(number) for number in (*done["bbox"], done["area"])):
        raise ValueError(f"bbox and area must be finite numbers, received {done['bbox']} and {done['area']}")
    if num_keypoints:
        done |= complete_keypoints(annotation, num_keypoints)
    return done


def _rle(segmentation, image):
    """Compressed run-length code of polygons, or of either kind of run-length code."""
    if not segmentation:
        raise ValueError("no segmentation")
    if isinstance(segmentation, list):
        polygons = [polygon for polygon in segmentation if len(polygon) >= 6]
        if not polygons:
            raise ValueError("polygons need three points or more")
        if not all(math.isfinite(number) for polygon in polygons for number in polygon):
            raise ValueError("polygon with numbers that are not finite")
        return _text(coco_mask.merge(coco_mask.frPyObjects(polygons, image["height"], image["width"])))
    if isinstance(segmentation["counts"], list):
        return _text(coco_mask.frPyObjects(segmentation, *segmentation["size"]))
    return _text(segmentation)


def _text(code):
    counts = code["counts"]
    return {"size": list(code["size"]), "counts": counts.decode("ascii") if isinstance(counts, bytes) else counts}
