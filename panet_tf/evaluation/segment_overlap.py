"""How well masks fit where the boxes are right."""

import collections

import numpy as np
from pycocotools import mask as coco_mask

from panet_tf.evaluation.coco_ground_truth import coco_ground_truth


def segment_overlap(ground_truth, results, *, iou=0.5):
    """Mean overlap of the masks of correct detections with the true masks: segmentation judged apart from detection.

    A detection is correct when its box overlaps an object of its category enough; detections choose in the order of
    their scores, each the free object that it overlaps most. Crowds are no objects.

    Args:
        ground_truth: COCO dict with masks, or the path of a JSON file.
        results: iterable of COCO results with `bbox` and `segmentation` (run-length codes).
        iou: float, of boxes, that is enough. Defaults to 0.5.

    Returns:
        dict of `"mean"`, float, the mean over categories with a correct detection, or -1 without any; `"matched"`, int,
        correct detections; `"objects"`, int; and `"per_category"`, dict from names to float.

    Raises:
        ValueError: not a COCO instance file.

    Example:
        >>> segment_overlap("instances_val2017.json", evaluator.detections())["mean"]

    Source: Lin's thesis, section 2.7 and Figure 2.9.
    """
    truth, _ = coco_ground_truth(ground_truth, with_masks=True, with_keypoints=False)
    objects, found = collections.defaultdict(list), collections.defaultdict(list)
    for annotation in truth["annotations"]:
        if not annotation["iscrowd"]:
            objects[annotation["image_id"], annotation["category_id"]].append(annotation)
    for result in results:
        found[result["image_id"], result["category_id"]].append(result)
    overlaps = collections.defaultdict(list)
    for key, true in objects.items():
        given = sorted(found[key], key=lambda result: -result["score"])
        if not given:
            continue
        boxes = [np.array([entry["bbox"] for entry in entries], "float64") for entries in (given, true)]
        of_boxes = np.array(coco_mask.iou(*boxes, [0] * len(true)))
        masks = [[entry["segmentation"] for entry in entries] for entries in (given, true)]
        of_masks = coco_mask.iou(*masks, [0] * len(true))
        free = np.ones(len(true), bool)
        for d in range(len(given)):
            values = np.where(free, of_boxes[d], -1.0)
            best = int(values.argmax())
            if values[best] >= iou:
                free[best] = False
                overlaps[key[1]].append(float(of_masks[d, best]))
    names = {category["id"]: category.get("name", category["id"]) for category in truth["categories"]}
    per_category = {names[number]: float(np.mean(overlaps[number])) for number in names if overlaps[number]}
    return {
        "mean": float(np.mean(list(per_category.values()))) if per_category else -1.0,
        "matched": sum(map(len, overlaps.values())),
        "objects": sum(map(len, objects.values())),
        "per_category": per_category,
    }
