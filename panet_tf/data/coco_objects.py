"""From the annotations of one image, of any quality, to arrays of objects that training and evaluation can rely on."""

import numpy as np
from pycocotools import mask as mask_utils

from panet_tf.data.json_numbers import number, whole
from panet_tf.data.mask_grids import GRID_SIZE, pack_masks
from panet_tf.data.segmentations import encode_segmentation, sample_rle

_BOX_IOU = 0.5
_BOX_PIXELS = 2.0


def clean_objects(annotations, *, image, height, width, class_of, num_keypoints, report):
    """Cleans the annotations of one image, by the rules in `CocoAnnotations`.

    Args:
        annotations: list of COCO dicts with a unique `"id"` and a known `"category_id"`.
        image: dict with `"id"` and `"file_name"`, for the report.
        height, width: ints, size of the image in pixels.
        class_of: dict from a category's id to its class, 1..K.
        num_keypoints: int J, 0 for none.
        report: `ProblemReport` that receives what was wrong.

    Returns:
        Dict of NumPy arrays over the n usable objects, see `CocoAnnotations.objects`.
    """
    shapes = {
        "id": (np.int64, ()),
        "box": (np.float32, (4,)),
        "class": (np.int32, ()),
        "is_crowd": (np.bool_, ()),
        "area": (np.float32, ()),
        "mask": (np.uint8, (GRID_SIZE, GRID_SIZE // 8)),
        "segmentation": (object, ()),
        "exact_box": (np.float64, (4,)),
        "exact_area": (np.float64, ()),
    }
    if num_keypoints:
        shapes["keypoints"] = (np.float32, (num_keypoints, 3))
    found = []
    for annotation in annotations:
        place = {"file": image["file_name"], "image_id": image["id"], "annotation_id": annotation["id"]}

        def add(action, rule, detail="", place=place):
            report.add(action, rule, detail=detail, **place)

        try:
            values = _clean(annotation, height, width, add)
        except ValueError as e:
            rule, _, detail = str(e).partition(": ")
            add("skipped annotation", rule, detail)
            continue
        values.update({"id": annotation["id"], "class": class_of[whole(annotation["category_id"])]})
        if num_keypoints:
            values["keypoints"] = _keypoints(annotation.get("keypoints"), num_keypoints, add)
        found.append(values)
    arrays = {key: np.zeros((len(found), *shape), dtype) for key, (dtype, shape) in shapes.items()}
    for i, values in enumerate(found):
        for key, array in arrays.items():
            array[i] = values[key]
    return arrays


def _clean(annotation, height, width, add):
    rle, segmentation = None, annotation.get("segmentation")
    if _present(segmentation):
        rle, left_out = encode_segmentation(segmentation, height, width)
        if left_out:
            add("repaired", "polygon parts of fewer than three points left out", f"{left_out} parts")
    exact_box, box = _choose_box(annotation.get("bbox"), rle, height, width, add)
    crowd = annotation.get("iscrowd")
    if crowd is None:
        add("note", "no iscrowd, taken as 0")
        crowd = 0
    if number(crowd) not in (0, 1):
        raise ValueError(f"iscrowd is not 0 or 1: {crowd!r}")
    pixels = float(mask_utils.area(rle)) if rle is not None else 0.0
    if pixels:
        grid = sample_rle(rle, box)
        if not grid.any():
            add("note", "mask to train on is empty, the segmentation lies outside of the box or between the samples")
    else:
        grid = np.ones((GRID_SIZE, GRID_SIZE), np.uint8)
        pixels = exact_box[2] * exact_box[3]
        if rle is not None:
            add("note", "segmentation covers no pixel, the mask to train on is the full box")
        else:
            add("note", "no segmentation, the mask is the full box")
            y0, x0, y1, x1 = box
            rle, _ = encode_segmentation([[x0, y0, x1, y0, x1, y1, x0, y1]], height, width)
    area = number(annotation.get("area"))
    if area is None or area <= 0:
        if annotation.get("area") is None:
            add("note", "no area, taken from the mask")
        else:
            add("repaired", "area is not a positive number, taken from the mask", repr(annotation["area"]))
        area = pixels
    return {
        "box": box,
        "is_crowd": number(crowd) == 1,
        "area": area,
        "mask": pack_masks(grid),
        "segmentation": rle["counts"],
        "exact_box": exact_box,
        "exact_area": area,
    }


def _choose_box(bbox, rle, height, width, add):
    """Returns the box for evaluators, xywh as in the file, and the one for training: yxyx, clipped."""
    given, clipped, problem = None, None, ""
    if bbox is None or bbox == []:
        problem = "no bbox"
    else:
        numbers = [number(v) for v in bbox] if isinstance(bbox, list) else []
        if len(numbers) != 4 or None in numbers:
            problem = "bbox is not four finite numbers"
        else:
            given = x, y, w, h = numbers
            clipped = _clip(given, height, width)
            if w <= 0 or h <= 0:
                problem = "bbox has no area"
            elif clipped[2] <= clipped[0] or clipped[3] <= clipped[1]:
                problem = "bbox lies outside of the image"
    tight = [float(v) for v in mask_utils.toBbox(rle)] if rle is not None else [0.0] * 4
    has_tight = tight[2] > 0 and tight[3] > 0
    if has_tight and not problem and _disagree(clipped, _clip(tight, height, width)):
        problem = "bbox and segmentation disagree badly"
    if not problem:
        if max(-x, -y, x + w - width, y + h - height) > 1:
            add("repaired", "bbox clipped to the image", str(given))
        return given, clipped
    if not has_tight:
        what = "no segmentation" if rle is None else "a segmentation without a pixel"
        raise ValueError(f"{problem}, and {what}: {bbox}" if bbox else f"{problem}, and {what}")
    add("note" if problem == "no bbox" else "repaired", f"{problem}, the mask's tight box is used", str(bbox or ""))
    return tight, _clip(tight, height, width)


def _keypoints(given, num_keypoints, add):
    points = np.zeros((num_keypoints, 3), np.float32)
    if given is None:
        return points
    numbers = [number(v) for v in given] if isinstance(given, list) else [None]
    if None in numbers or len(numbers) % 3 or len(numbers) > 3 * num_keypoints:
        add("repaired", "keypoints unusable, left out", f"{len(numbers)} numbers for {num_keypoints} keypoints")
        return points
    x, y, visible = np.asarray(numbers, np.float64).reshape(-1, 3).T
    points[: len(x)] = np.stack([y + 0.5, x + 0.5, visible], axis=-1) * (visible > 0)[:, None]
    return points


def _present(segmentation):
    """Empty lists, and lists of empty lists, are how boxes-only exports say that there is no mask."""
    if isinstance(segmentation, list):
        return any(part != [] for part in segmentation)
    return segmentation is not None and segmentation != {} and segmentation != ""


def _clip(xywh, height, width):
    """yxyx from xywh, clipped to the image."""
    x, y, w, h = xywh
    edges = ((y, height), (x, width), (y + h, height), (x + w, width))
    return tuple(min(max(edge, 0.0), float(limit)) for edge, limit in edges)


def _disagree(a, b):
    inside = max(0.0, min(a[2], b[2]) - max(a[0], b[0])) * max(0.0, min(a[3], b[3]) - max(a[1], b[1]))
    union = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - inside
    return inside < _BOX_IOU * union and max(abs(p - q) for p, q in zip(a, b)) > _BOX_PIXELS
