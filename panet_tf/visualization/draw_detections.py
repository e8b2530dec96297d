"""Detections of one image, drawn on it."""

import gin
import numpy as np
from PIL import Image
from pycocotools import mask as coco_mask

from panet_tf.visualization.boxes import draw_boxes, draw_labels
from panet_tf.visualization.colors import instance_colors
from panet_tf.visualization.keypoints import draw_keypoints
from panet_tf.visualization.masks import draw_masks


@gin.register(module="panet_tf")
def draw_detections(
    image,
    detections,
    *,
    categories=None,
    score_threshold=0.0,
    max_detections=300,
    scale=1,
    color_by="instance",
    alpha=0.4,
    draw_box=None,
    draw_label=True,
    keypoint_threshold=0.05,
):
    """Draws boxes, masks with outlines, keypoints with their skeletons, names and scores: NumPy and Pillow, no display.

    The same call draws what the predictor returns, one image of a batch that `predict` returns (masks as probabilities
    inside boxes, empty slots of class 0), and ground truth (no scores).

    Args:
        image: uint8 (height, width, 3) or (height, width); not changed. Float images are taken to be 0 to 255.
        detections: dict of `boxes` (n, 4), yxyx in pixels of `image`, and where there are any: `scores` (n,); `names`,
            n str; `classes` (n,), 1 .. K, named by `categories`, 0 for an empty slot; `masks`, bool (n, height, width),
            n run-length codes or float (n, m, m) probabilities inside each box; `keypoints` (n, J, 3), y, x and a
            visibility or score, with `skeletons`, n sequences of pairs, or those of `categories`; `ids` (n,), int,
            what the colours follow (an object's number in a data set, a track) instead of the place in the list.
        categories: sequence of dicts with `name`: of class 1, 2, ... Defaults to `None`: no names, unless `names` come.
        score_threshold: float, lower scores are left out. Defaults to 0.
        max_detections: int, the highest scores that are drawn. Defaults to 300.
        scale: int, each pixel becomes this many in either direction before anything is drawn, so that labels on small
            pictures can be read; or `"auto"`, for a shorter side of 512 at least, 1024 with 30 objects. Defaults to 1,
            the image's own size.
        color_by: `"instance"` or `"class"`. Defaults to `"instance"`.
        alpha: float, how much colour tints a mask. Defaults to 0.4.
        draw_box: whether boxes are drawn. Defaults to `None`: only where there are no masks or fewer than 20 objects.
        draw_label: whether names and scores are written. Defaults to `True`.
        keypoint_threshold: float, keypoints that do not score more are not drawn. Defaults to 0.05.

    Returns:
        uint8 (scale x height, scale x width, 3).

    Raises:
        ValueError: boxes, scores or masks that do not belong together.

    Example:
        >>> Image.fromarray(draw_detections(image, predictor(image)[0])).save("overlay.png")
    """
    image = as_picture(image)
    boxes = np.asarray(detections["boxes"], "float32").reshape(-1, 4)
    count = len(boxes)
    for key in ("scores", "classes", "names", "masks", "keypoints", "skeletons", "ids"):
        if detections.get(key) is not None and len(detections[key]) != count:
            raise ValueError(f"{key} must be one a box, received {len(detections[key])} for {count} boxes.")
    if color_by not in ("instance", "class"):
        raise ValueError(f'color_by must be "instance" or "class", received {color_by!r}.')
    scores, classes, masks = (_array(detections.get(key)) for key in ("scores", "classes", "masks"))
    keep = np.arange(count) if scores is None else np.argsort(-np.asarray(scores), kind="stable")
    if scores is not None:
        keep = keep[scores[keep] >= score_threshold]
    if classes is not None:
        keep = keep[classes[keep] > 0]
    keep = keep[:max_detections]
    if scale == "auto":
        scale = -(-(512 if len(keep) < 30 else 1024) // min(image.shape[:2]))
    within = masks is not None and isinstance(masks, np.ndarray) and masks.dtype.kind == "f"
    if scale > 1:
        image = np.asarray(
            Image.fromarray(image).resize((image.shape[1] * scale, image.shape[0] * scale), Image.BILINEAR)
        )
    image = np.array(image)
    boxes = boxes[keep] * scale
    ids = _array(detections.get("ids"))
    if color_by == "class" and classes is not None:
        colors = instance_colors(classes[keep] - 1)
    else:
        colors = instance_colors(keep if ids is None else ids[keep])
    if masks is not None:
        chosen = (masks[i] if within or scale == 1 else _enlarge(masks[i], scale) for i in keep)
        draw_masks(image, chosen, colors, boxes=boxes if within else None, alpha=alpha, outline=1 + (scale >= 3))
    if draw_box or (draw_box is None and (masks is None or len(keep) < 20)):
        draw_boxes(image, boxes, colors, width=1 if min(image.shape[:2]) < 400 else 2)
    if detections.get("keypoints") is not None and len(keep):
        draw_keypoints(
            image,
            np.asarray(detections["keypoints"], "float64")[keep] * (scale, scale, 1),
            colors,
            skeletons=[_skeleton(detections, categories, i) for i in keep],
            threshold=keypoint_threshold,
            radius=max(2, min(image.shape[:2]) // 160),
            width=max(2, min(image.shape[:2]) // 300),
        )
    if draw_label:
        labels = [_forms(detections, categories, i) for i in keep]
        draw_labels(image, boxes, labels, colors, font_size=12 if max(image.shape[:2]) < 1200 else 16)
    return image


def as_picture(image):
    """uint8 (height, width, 3) of what people call an image."""
    image = np.asarray(image)
    if image.dtype != np.uint8:
        image = np.clip(np.nan_to_num(np.round(image)), 0, 255).astype("uint8")
    if image.ndim == 2:
        image = image[..., None]
    if image.ndim != 3 or image.shape[-1] not in (1, 3):
        raise ValueError(f"image must be (height, width, 3) or (height, width), received {image.shape}.")
    return np.repeat(image, 3, axis=-1) if image.shape[-1] == 1 else image


def _array(values):
    """An array, but for lists of run-length codes, which stay lists."""
    if values is None or (isinstance(values, list) and values and isinstance(values[0], dict)):
        return values
    return np.asarray(values)


def _enlarge(mask, scale):
    mask = coco_mask.decode(mask) if isinstance(mask, dict) else np.asarray(mask)
    return mask.repeat(scale, axis=0).repeat(scale, axis=1)


def _skeleton(detections, categories, i):
    """Pairs of keypoints of one detection, its own or its category's."""
    if detections.get("skeletons") is not None:
        return detections["skeletons"][i]
    if categories is not None and detections.get("classes") is not None:
        return categories[int(detections["classes"][i]) - 1].get("skeleton")
    return None


def _forms(detections, categories, i):
    """A label from its long form to its short one: name and score, the score alone (or the name)."""
    name = score = ""
    if detections.get("names") is not None:
        name = str(detections["names"][i] or "")
    elif categories is not None and detections.get("classes") is not None:
        name = str(categories[int(detections["classes"][i]) - 1].get("name") or "")
    if detections.get("scores") is not None:
        score = f"{float(detections['scores'][i]):.2f}"
    forms = (f"{name} {score}".strip(), score.lstrip("0"))
    return tuple(form for form in dict.fromkeys(forms) if form)
