"""Files of proposals, judged."""

import itertools

import numpy as np

from panet_tf.data.proposal_file import read_results
from panet_tf.evaluation.proposal_recall import ProposalRecall, boxes_around


def evaluate_proposals(path, ground_truth, *, metrics=None, counts=(10, 100, 1000)):
    """Recall of the proposals of a file, whoever made them.

    Where the entries of each image follow each other, one image is held at a time; else all are.

    Args:
        path: COCO results file with `bbox` or `segmentation` (run-length codes) or both.
        ground_truth: COCO dict, or the path of a JSON file.
        metrics: `"bbox"`, `"segm"` or both. Defaults to `None`: what the file's first entry holds; boxes around masks
            where it has no boxes.
        counts: as in `ProposalRecall`.

    Returns:
        `ProposalRecall` that has seen all of them: ask it for `result()` and `table(metric)`.

    Raises:
        ValueError: no results file, an image that the ground truth lacks, or masks of another size than their image.

    Example:
        >>> evaluate_proposals("selective_search.json", "instances_val2014.json").result()["proposals/bbox/AUC"]
    """
    first = next(read_results(path), {})
    metrics = metrics or (("bbox", "segm") if "segmentation" in first else ("bbox",))
    recall = ProposalRecall(ground_truth, metrics=metrics, counts=counts)
    sizes = {image["id"]: (image.get("height"), image.get("width")) for image in recall.ground_truth["images"]}
    try:
        for image_id, entries in _each_image(path):
            _add(recall, image_id, list(entries), sizes.get(image_id), path)
    except _Scattered:
        recall.reset()
        held = {}
        for entry in read_results(path):
            held.setdefault(entry["image_id"], []).append(entry)
        for image_id, entries in held.items():
            _add(recall, image_id, entries, sizes.get(image_id), path)
    return recall


class _Scattered(Exception):
    """The entries of an image do not follow each other."""


def _each_image(path):
    seen = set()
    for image_id, entries in itertools.groupby(read_results(path), key=lambda entry: entry["image_id"]):
        if image_id in seen:
            raise _Scattered
        seen.add(image_id)
        yield image_id, entries


def _add(recall, image_id, entries, size, path):
    entries = sorted(entries, key=lambda entry: -entry["score"])[: recall.counts[-1]]
    boxes = masks = None
    if "segmentation" in entries[0]:
        masks = [entry["segmentation"] for entry in entries]
        wrong = [tuple(mask["size"]) for mask in masks if size and None not in size and tuple(mask["size"]) != size]
        if wrong:
            raise ValueError(
                f"masks of proposals must be as large as their images, received {wrong[0]} for image {image_id} of "
                f"{size} in {path}."
            )
    if "bbox" in entries[0]:
        x, y, width, height = np.array([entry["bbox"] for entry in entries], "float64").T
        boxes = np.stack([y, x, y + height, x + width], axis=-1)
    elif masks is not None:
        boxes = boxes_around(masks)
    recall.add(image_id, [entry["score"] for entry in entries], boxes=boxes, masks=masks)
