"""Pictures of what the predictor found, beside the ground truth where there is any."""

import numpy as np

from panet_tf.inference.listed_names import ListedNames
from panet_tf.inference.read_pixels import read_pixels
from panet_tf.visualization.draw_detections import draw_detections
from panet_tf.visualization.side_by_side import side_by_side


def overlay(result, *, ground_truth=None, score_threshold=0.5, scale="auto", image=None):
    """Draws the instances of one image on it.

    Args:
        result: dict that `Predictor` returns.
        ground_truth: COCO dict with masks as run-length codes (`panet_tf.evaluation.coco_ground_truth`); the picture
            then shows both, prediction on the left. An image is known by the end of its path, see `ListedNames`.
            Defaults to `None`.
        score_threshold: float, lower scores are not drawn. Defaults to 0.5.
        scale: as in `draw_detections`. Defaults to `"auto"`: small images are enlarged.
        image: uint8 (height, width, 3), the pixels. Defaults to those of the result's file.

    Returns:
        uint8 (height, width, 3).

    Example:
        >>> Image.fromarray(overlay(predictor("cells.png")[0])).save("found.png")
    """
    image = read_pixels(result["file_name"], size=result["size"]) if image is None else image
    truth = None if ground_truth is None else _annotated(ground_truth, result["file_name"])
    if scale == "auto":  # both pictures by the fuller one
        shown = max(np.sum(result["scores"] >= score_threshold), 0 if truth is None else len(truth["boxes"]))
        scale = -(-(512 if shown < 30 else 1024) // min(image.shape[:2]))
    found = draw_detections(image, result, score_threshold=score_threshold, scale=scale)
    if truth is None:
        return found
    return side_by_side([found, draw_detections(image, truth, scale=scale)], ["prediction", "ground truth"])


def _annotated(ground_truth, file_name):
    """The annotations of one image as `draw_detections` takes them; `None` when the image is not there."""
    images = {image["file_name"]: image for image in ground_truth["images"] if image.get("file_name")}
    name = ListedNames(images).find(file_name)
    if name is None:
        return None
    image = images[name]
    annotations = [a for a in ground_truth["annotations"] if a["image_id"] == image["id"] and not a["iscrowd"]]
    categories = {category["id"]: category for category in ground_truth["categories"]}
    boxes = np.array([a["bbox"] for a in annotations], "float32").reshape(-1, 4)
    x, y, width, height = boxes.T
    found = {
        "boxes": np.stack([y, x, y + height, x + width], axis=-1),
        "names": [categories[a["category_id"]].get("name") for a in annotations],
        "masks": [a["segmentation"] for a in annotations],
    }
    if annotations and "keypoints" in annotations[0]:
        points = np.array([a["keypoints"] for a in annotations], "float32").reshape(len(annotations), -1, 3)
        found["keypoints"] = points[..., [1, 0, 2]] + np.float32([0.5, 0.5, 0.0])  # COCO counts from pixels' centres
        found["skeletons"] = [categories[a["category_id"]].get("skeleton") for a in annotations]
    return found
