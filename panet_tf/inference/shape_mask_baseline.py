"""What masks guessed from boxes are worth."""

import collections

import numpy as np

from panet_tf.data.proposal_entries import ProposalEntries
from panet_tf.evaluation.coco_backends import coco_tables, summarize
from panet_tf.evaluation.coco_ground_truth import coco_ground_truth
from panet_tf.evaluation.coco_results import coco_results
from panet_tf.evaluation.segment_overlap import segment_overlap


def shape_mask_baseline(shapes, ground_truth, *, boxes=None, threshold=None):
    """Pastes mean shapes into boxes and judges them as masks, beside masks that fill their boxes.

    Args:
        shapes: `ShapeMasks`, or any function of boxes and category ids that gives masks.
        ground_truth: COCO dict, or the path of a JSON file.
        boxes: COCO results with `bbox` (a list or the path of a JSON file): a detector's. `None` (default): the true
            boxes, as if a detector had found all of them; crowds are left out. Entries that cannot be used
            (`ProposalEntries`, or without a category) are left out, logged and counted.
        threshold: float, of the mean shapes. Defaults to `None`: the one that `shapes` have learned, or 0.5.

    Returns:
        dict from `"shape"` and `"box"` to dicts of `"AP"`, `"AP50"`, `"AP75"` ... of masks and `"overlap"`, what
        `segment_overlap` gives; `"results"`, the COCO results with the mean shapes; and `"skipped"`, int, entries of
        `boxes` left out.

    Raises:
        ValueError: boxes of an image or category that is not in the ground truth.

    Example:
        >>> shapes = ShapeMasks.learned("instances_train2017.json")
        >>> shape_mask_baseline(shapes, "instances_val2017.json")["shape"]["AP50"]
    """
    threshold = getattr(shapes, "threshold", 0.5) if threshold is None else threshold
    truth, _ = coco_ground_truth(ground_truth, with_masks=True, with_keypoints=False)
    images = {image["id"]: image for image in truth["images"]}
    if boxes is None:
        boxes = [{**a, "score": 1.0} for a in truth["annotations"] if not a["iscrowd"]]
    entries, of_image = ProposalEntries(boxes), collections.defaultdict(list)
    for box in entries:
        if box.image_id not in images:
            raise ValueError(f"boxes must be of the ground truth's images, received image id {box.image_id}.")
        if box.category_id is None:
            entries.skip(box.image_id, "category_id must be a whole number")
            continue
        of_image[box.image_id].append(box)
    found = {"shape": [], "box": []}
    for image_id, own in of_image.items():
        corners, ids = np.array([box.box for box in own]), [box.category_id for box in own]
        masks = shapes(corners, ids)
        for kind, grids, least in (("shape", masks, threshold), ("box", np.ones_like(masks), 0.5)):
            found[kind] += coco_results(
                image_id=image_id,
                boxes=corners,
                scores=[box.score for box in own],
                category_ids=ids,
                size=(images[image_id]["height"], images[image_id]["width"]),
                masks=grids,
                threshold=least,
            )
    judged = {"results": found["shape"], "skipped": entries.num_skipped}
    for kind, results in found.items():
        tables = coco_tables(truth, results, metric="segm")
        judged[kind] = {**summarize(*tables), "overlap": segment_overlap(truth, results)}
    return judged
