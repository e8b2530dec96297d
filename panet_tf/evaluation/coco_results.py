"""Detections of one image as entries of a COCO results file."""

import numpy as np

from panet_tf.evaluation.rle import masks_to_rle


def coco_results(
    *,
    image_id,
    boxes,
    scores,
    category_ids,
    size,
    masks=None,
    keypoints=None,
    threshold=0.5,
    whole_pixels=False,
):
    """Writes the detections of one image the way COCO's server and tools read them.

    Args:
        image_id: int, the data set's id.
        boxes: float (D, 4), yxyx in pixels of the original image.
        scores: float (D,).
        category_ids: int (D,), the data set's ids.
        size: (height, width) of the original image.
        masks: float (D, m, m), probabilities inside each box, pasted here; a list of D run-length codes; or `None`.
        keypoints: float (D, J, 3): y, x in pixels of the original image, score; or `None`.
        threshold: float, of pasted probabilities. Defaults to 0.5.
        whole_pixels: the rule of pasting, see `panet_tf.ops.paste_window`. Defaults to False.

    Returns:
        list of D dicts of plain Python values, ready for JSON: `image_id`, `category_id`, `bbox` (x, y, width, height),
        `score` and, with masks, `segmentation` (compressed run-length code), with keypoints `keypoints` (x, y, score of
        each; COCO counts pixels from their centres, so a half is taken off).
    """
    boxes = np.asarray(boxes, "float64").reshape(-1, 4)
    corners = np.stack([boxes[:, 1], boxes[:, 0], boxes[:, 3] - boxes[:, 1], boxes[:, 2] - boxes[:, 0]], axis=-1)
    results = [
        {"image_id": int(image_id), "category_id": int(category), "bbox": corner, "score": float(score)}
        for category, corner, score in zip(category_ids, corners.tolist(), scores)
    ]
    if masks is not None:
        codes = (
            masks if isinstance(masks, list) else masks_to_rle(masks, boxes, size, threshold, whole_pixels=whole_pixels)
        )
        for result, code in zip(results, codes):
            result["segmentation"] = code
    if keypoints is not None:
        points = np.asarray(keypoints, "float64")[..., [1, 0, 2]] - (0.5, 0.5, 0.0)
        for result, of_object in zip(results, points):
            result["keypoints"] = of_object.reshape(-1).tolist()
    return results
