"""Cityscapes' average precision of results on disk."""

import pathlib

import gin
import tqdm

from panet_tf.evaluation.cityscapes_evaluator import CityscapesEvaluator
from panet_tf.evaluation.cityscapes_results import (
    find_cityscapes_results,
    read_cityscapes_results,
    read_instance_mask,
)

_MAPS = "_instanceIds.png"


@gin.register(module="panet_tf")
def compare_cityscapes_folders(ground_truth, results, *, min_region=100, progress=True):
    """Compares a folder of results with annotations, both in Cityscapes' formats, as the benchmark's program does.

    Args:
        ground_truth: folder of the maps, such as `gtFine/val`, with `<city>/<name>_gtFine_instanceIds.png`; sub-folders
            are looked through.
        results: folder of the results.
        min_region: as in `CityscapesEvaluator`.
        progress: bool, show a progress bar. Defaults to `True`.

    Returns:
        `CityscapesEvaluator`: ask for its `result(per_category=True)`.

    Raises:
        ValueError: no maps; an image without results, with several files of them or with a file that is broken; with
            the file. Broken results must not pass as ones that were left out.

    Example:
        >>> compare_cityscapes_folders("gtFine/val", "out").result()["cityscapes/AP"]
    """
    maps = {"_".join(path.name.split("_")[:3]): path for path in sorted(pathlib.Path(ground_truth).rglob(f"*{_MAPS}"))}
    if not maps:
        raise ValueError(f"the ground truth must have maps *{_MAPS}, there are none in {ground_truth}.")
    files = find_cityscapes_results(results, maps)
    evaluator = CityscapesEvaluator(maps, min_region=min_region)
    for name, file in tqdm.tqdm(files.items(), unit="image", disable=not progress):
        found = read_cityscapes_results(file, results)
        masks = (read_instance_mask(path) for path, _, _ in found)
        evaluator.add(name, masks, [label for _, label, _ in found], [score for _, _, score in found])
    return evaluator
