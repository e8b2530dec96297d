"""Files of proposals, judged."""

import itertools

from panet_tf.data.proposal_entries import ProposalEntries
from panet_tf.data.proposal_file import read_results
from panet_tf.evaluation.proposal_recall import METRICS, ProposalRecall


def evaluate_proposals(path, ground_truth, *, metrics=None, counts=(10, 100, 1000)):
    """Recall of the proposals of a file, whoever made them.

    Where the entries of each image follow each other, one image is held at a time; else all are. Entries that cannot be
    used (`ProposalEntries`) are left out, logged and counted. Boxes that reach out of their image stay, as the COCO API
    takes them.

    Args:
        path: COCO results file with `bbox` or `segmentation` (run-length codes) or both.
        ground_truth: COCO dict, or the path of a JSON file.
        metrics: `"bbox"`, `"segm"` or both. Defaults to `None`: both where the file's first entry has a mask, else
            boxes. An entry without a box has that around its mask.
        counts: as in `ProposalRecall`.

    Returns:
        `ProposalRecall` that has seen all of them: ask it for `result()` and `table(metric)`. Its
        `num_skipped_proposals` are the entries left out.

    Raises:
        ValueError: no results file or one without a usable entry, an image that the ground truth lacks, or masks of
            another size than their image.

    Example:
        >>> evaluate_proposals("selective_search.json", "instances_val2014.json").result()["proposals/bbox/AUC"]
    """
    metrics = metrics or (METRICS if next(read_results(path), {}).get("segmentation") else METRICS[:1])
    recall = ProposalRecall(ground_truth, metrics=metrics, counts=counts)
    images = recall.ground_truth["images"]
    sizes = {image["id"]: (image["height"], image["width"]) for image in images if {"height", "width"} <= set(image)}
    entries = ProposalEntries(path, with_masks="segm" in recall.metrics, sizes=sizes)
    try:
        for image_id, proposals in _each_image(entries):
            _add(recall, image_id, proposals)
    except _Scattered:
        recall.reset()
        held = {}
        for proposal in entries:
            held.setdefault(proposal.image_id, []).append(proposal)
        for image_id, proposals in held.items():
            _add(recall, image_id, proposals)
    if entries.num_entries and entries.num_skipped == entries.num_entries:
        raise ValueError(f"proposals must be usable, received {path} without any that is: {entries.first_problem}.")
    recall.num_skipped_proposals += entries.num_skipped
    return recall


class _Scattered(Exception):
    """The entries of an image do not follow each other."""


def _each_image(entries):
    seen = set()
    for image_id, proposals in itertools.groupby(entries, key=lambda proposal: proposal.image_id):
        if image_id in seen:
            raise _Scattered
        seen.add(image_id)
        yield image_id, list(proposals)


def _add(recall, image_id, proposals):
    _, boxes, scores, codes, _ = zip(*proposals)
    recall.add(image_id, scores, boxes=boxes, masks=codes if "segm" in recall.metrics else None)
