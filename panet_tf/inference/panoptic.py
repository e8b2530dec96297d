"""Panoptic predictions at the original size, with names, and their pictures."""

import numpy as np

from panet_tf.evaluation.panoptic_results import panoptic_results
from panet_tf.inference.read_pixels import read_pixels
from panet_tf.visualization.panoptic import draw_panoptic
from panet_tf.visualization.side_by_side import side_by_side


def panoptic_result(prediction, categories, size):
    """What the predictor adds to a result of a panoptic model.

    Args:
        prediction: dict of one image's arrays, as `panet_tf.evaluation.panoptic_results` takes it: the evaluator
            samples the same pixels.
        categories: the model's `panoptic_categories`.
        size: (height, width), of the image.

    Returns:
        dict of `panoptic`, int32 (height, width), ids of segments, 0 void; and `segments`, a list of dicts with `id`,
        `category_id`, the data set's, `name`, `isthing`, `score`, `area` in pixels, `bbox` [x, y, width, height] and
        `iscrowd` 0.
    """
    labels, segments = panoptic_results({**prediction, "original_sizes": np.array(size)}, categories, size=size)
    known = {category["id"]: category for category in categories}
    for segment in segments:
        category = known[segment["category_id"]]
        segment["name"] = category.get("name") or str(category["id"])
        segment["isthing"] = int(bool(category["isthing"]))
    return {"panoptic": labels, "segments": segments}


def panoptic_overlay(result, categories, *, truth=None, scale="auto", image=None):
    """Draws the panoptic map of one image on it, beside the true one where it is known.

    Args:
        result: dict that `Predictor` returns for a panoptic model.
        categories: sequence of dicts with `id`, `name`, `isthing`, such as `predictor.panoptic_categories`.
        truth: pair of labels and segments, as `PanopticFolder.ground_truth` gives it, or `None` (default).
        scale: as in `draw_panoptic`. Defaults to `"auto"`: small images are enlarged.
        image: uint8 (height, width, 3), the pixels. Defaults to those of the result's file.

    Returns:
        uint8 (height, width, 3).

    Example:
        >>> Image.fromarray(panoptic_overlay(predictor("street.png")[0], predictor.panoptic_categories)).save("map.png")
    """
    image = read_pixels(result["file_name"], size=result["size"]) if image is None else image
    found = draw_panoptic(image, result["panoptic"], result["segments"], categories=categories, scale=scale)
    if truth is None:
        return found
    return side_by_side(
        [found, draw_panoptic(image, *truth, categories=categories, scale=scale)], ["prediction", "ground truth"]
    )
