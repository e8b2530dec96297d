"""Why one instance lies on the other: the spatial ranking of an overlapping pair."""

import numpy as np
from PIL import Image

from panet_tf.visualization.draw_detections import as_picture
from panet_tf.visualization.masks import draw_masks
from panet_tf.visualization.side_by_side import side_by_side

_COLORS = np.array([[255, 120, 30], [40, 150, 255]], "uint8")  # apart for the colour-blind too


def draw_ranking(image, masks, names, *, detection_scores, score_map, ranking_scores=None, scale="auto"):
    """Shows two instances that overlap, the ranking map between them, and both orders of painting.

    Two rows of three pictures: the image and each mask with its two scores; then the map, and what lies on top by
    ranking score and by detection score. In the map each pixel mixes the instances' colours by the probabilities that
    the map gives their categories there, so it has the colour of the instance that should show, and is dark where
    neither should.

    Args:
        image: uint8 (height, width, 3) or (height, width); not changed.
        masks: bool (2, height, width).
        names: two str.
        detection_scores: two floats.
        score_map: float (2, h, w), probability of the category of either instance in the ranking map, on a canvas of
            any size that covers the image; resized bilinearly.
        ranking_scores: two floats. Defaults to the mean of each instance's map over its mask (OANet, equation 3).
        scale: int, as in `draw_panoptic`; `"auto"` (default) for a shorter side of 256 at least.

    Returns:
        uint8 (rows, columns, 3).

    Raises:
        ValueError: for other than two instances, or masks of another size than the image.

    Example:
        >>> draw_ranking(image, masks, ["person", "tie"], detection_scores=(0.997, 0.662), score_map=probabilities)

    Source: OANet, figure 7.
    """
    image, masks = as_picture(image), np.asarray(masks).astype(bool)
    if masks.shape != (2, *image.shape[:2]) or len(names) != 2 or np.shape(score_map)[0] != 2:
        raise ValueError(
            f"a pair of masks, of names and of maps is needed, masks of the image's size {image.shape[:2]}; received "
            f"masks {masks.shape}, {len(names)} names and maps {np.shape(score_map)}."
        )
    size = image.shape[1], image.shape[0]
    maps = np.stack(
        [np.asarray(Image.fromarray(np.asarray(part, "float32")).resize(size, Image.BILINEAR)) for part in score_map]
    )
    if ranking_scores is None:
        ranking_scores = [float(part[mask].mean()) if mask.any() else 0.0 for part, mask in zip(maps, masks)]
    if scale == "auto":
        scale = max(-(-256 // min(image.shape[:2])), 1)
    if scale > 1:
        image = np.asarray(Image.fromarray(image).resize((size[0] * scale, size[1] * scale), Image.BILINEAR))
        masks, maps = (values.repeat(scale, axis=1).repeat(scale, axis=2) for values in (masks, maps))
    grey = np.repeat(image.mean(axis=-1, keepdims=True), 3, axis=-1)
    alone = [
        draw_masks((0.4 * grey + 150).clip(0, 255).astype("uint8"), [mask], [color], alpha=0.75, outline=2)
        for mask, color in zip(masks, _COLORS)
    ]
    titles = [
        f"{name}: detection {score:.3f}, ranking {rank:.3f}"
        for name, score, rank in zip(names, detection_scores, ranking_scores)
    ]
    mixed = np.einsum("nhw,nc->hwc", maps.clip(0, 1), _COLORS.astype(float)).clip(0, 255)
    score_picture = np.where(masks.any(axis=0)[..., None], mixed, 0.25 * grey).astype("uint8")
    orders = [_painted(image, masks, scores) for scores in (ranking_scores, detection_scores)]
    above = side_by_side([image, *alone], ["image", *titles], font_size=_font_size(image, titles))
    below = side_by_side([score_picture, *orders], ["ranking map", "by ranking score", "by detection score"])
    return np.concatenate([above, np.full((8, above.shape[1], 3), 255, "uint8"), below])


def _painted(image, masks, scores):
    """The image with both instances, the one of the higher score on top."""
    top = int(scores[1] > scores[0])
    shown = masks.copy()
    shown[1 - top] &= ~masks[top]
    return draw_masks(image.copy(), shown, _COLORS, alpha=0.6, outline=2)


def _font_size(image, titles):
    """Letters such that the longest title fits over its picture."""
    return int(np.clip(1.9 * image.shape[1] / max(len(title) for title in titles), 9, 16))
