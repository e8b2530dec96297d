"""Panoptic quality of predictions on disk."""

import concurrent.futures

import gin

from panet_tf.evaluation.panoptic_folder import PanopticFolder
from panet_tf.evaluation.panoptic_quality import PanopticQuality


@gin.register(module="panet_tf")
def compare_panoptic_folders(ground_truth, predictions, *, image_ids=None, areas="json", workers=1):
    """Compares a submission with annotations, both in COCO's panoptic format, as panopticapi's `pq_compute` does.

    Args:
        ground_truth: `PanopticFolder` with categories, or the path of its JSON.
        predictions: `PanopticFolder`, or the path of its JSON.
        image_ids: the images to compare. Defaults to all of the ground truth. With a part each, several processes share
            the work, and `PanopticQuality.merge` adds up what they return.
        areas: as in `PanopticQuality`. Defaults to `"json"`.
        workers: int, threads that read files. Defaults to 1.

    Returns:
        `PanopticQuality`: ask for its `result()` or `per_category()`.

    Raises:
        ValueError: an image without a prediction, and map and list of a prediction that hold different ids; with the
            file and the id. A prediction that is broken must not pass as one that was left out.

    Example:
        >>> compare_panoptic_folders("panoptic_val2017.json", "out/panoptic.json").result()["pq"]
    """
    truth, found = (
        folder if isinstance(folder, PanopticFolder) else PanopticFolder(folder)
        for folder in (ground_truth, predictions)
    )
    if truth.categories is None:
        raise ValueError(f"{truth.name}: the ground truth must have categories.")
    image_ids = list(truth.image_ids if image_ids is None else image_ids)
    there = set(found.image_ids)
    missing = [image_id for image_id in image_ids if image_id not in there]
    if missing:
        raise ValueError(f"{found.name}: no prediction for the image id {missing[0]} (and {len(missing) - 1} more).")
    quality = PanopticQuality(truth.categories, areas=areas)

    def pair(image_id):
        return *truth.ground_truth(image_id), *found.ground_truth(image_id)

    with concurrent.futures.ThreadPoolExecutor(workers) as pool:
        for start in range(0, len(image_ids), 4 * workers):  # few maps in memory at a time
            part = image_ids[start : start + 4 * workers]
            for image_id, maps in zip(part, pool.map(pair, part)):
                quality.update(*maps, name=f"{image_id} ({found.file(image_id)})")
    return quality
