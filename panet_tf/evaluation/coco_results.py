"""Detections of one image as entries of a COCO results file."""

import numpy as np

from panet_tf.evaluation.rle import masks_to_rle


def coco_results(*, image_id, boxes, scores, category_ids, size, masks=None, threshold=0.5):
    """Writes the detections of one image the way COCO's server and tools read them.

    Args:
        image_id: int, the data set's id.
        boxes: float (D, 4), yxyx in pixels of the original image.
        scores: float (D,).
        category_ids: int (D,), the data set's ids.
        size: (height, width) of the original image.
        masks: float (D, m, m), probabilities inside each box, pasted here; a list of D run-length codes; or `None`.
        threshold: float, of pasted probabilities. Defaults to 0.5.

    Returns:
        list of D dicts of plain Python values, ready for JSON: `image_id`, `category_id`, `bbox` (x, y, width, height),
        `score` and, with masks, `segmentation` (compressed run-length code).
    """
    boxes = np.asarray(boxes, "float64").reshape(-1, 4)
    corners = np.stack([boxes[:, 1], boxes[:, 0], boxes[:, 3] - boxes[:, 1], boxes[:, 2] - boxes[:, 0]], axis=-1)
    results = [
        {"image_id": int(image_id), "category_id": int(category), "bbox": corner, "score": float(score)}
        for category, corner, score in zip(category_ids, corners.tolist(), scores)
    ]
    if masks is not None:
        codes = masks if isinstance(masks, list) else masks_to_rle(masks, boxes, size, threshold)
        for result, code in zip(results, codes):
            result["segmentation"] = code
    return results
