"""Panoptic maps, drawn on their images."""

import gin
import numpy as np
from PIL import Image

from panet_tf.visualization.colors import instance_colors
from panet_tf.visualization.draw_detections import as_picture
from panet_tf.visualization.legend import draw_legend
from panet_tf.visualization.side_by_side import side_by_side

# Shades of a category's colour that its instances take in turn: towards white or black.
_SHADES = (0.0, 0.45, -0.35, 0.22, -0.18, 0.6, -0.5)


@gin.register(module="panet_tf")
def draw_panoptic(image, labels, segments, *, categories, scale=1, alpha=0.6, boundary=1, legend=True):
    """Tints each segment in its category's colour, with boundaries between segments and a legend of the categories.

    Instances of one category are told apart by shades of its colour and by the boundary. Void keeps the image's
    colours. The categories of the legend come things first, each by its area; a number says how many instances there
    are.

    Args:
        image: uint8 (height, width, 3) or (height, width); not changed.
        labels: int (height, width), ids of segments, 0 void: what the predictor gives as `panoptic`, or COCO's maps.
        segments: sequence of dicts with `id`, `category_id` and, where there are any, `iscrowd`.
        categories: sequence of dicts with `id`, `name`, `isthing`, and `color` (R, G, B) where a data set has its own.
        scale: int, each pixel becomes this many in either direction; or `"auto"`, for a shorter side of 512 at least.
            Defaults to 1.
        alpha: float, how much of the colour is in the tint. Defaults to 0.6.
        boundary: int, width of the white lines between segments in pixels, 0 for none. Defaults to 1.
        legend: bool, whether the legend stands at the right. Defaults to True.

    Returns:
        uint8 (scale x height, scale x width + legend, 3).

    Raises:
        ValueError: a map of another size than the image, or a segment of an unknown category.

    Example:
        >>> result = predictor("street.png")[0]
        >>> draw_panoptic(image, result["panoptic"], result["segments"], categories=predictor.panoptic_categories)
    """
    image, labels = as_picture(image), np.asarray(labels)
    if labels.shape != image.shape[:2]:
        raise ValueError(f"the map must have the image's size {image.shape[:2]}, received {labels.shape}.")
    places = {category["id"]: k for k, category in enumerate(categories)}
    unknown = [segment["category_id"] for segment in segments if segment["category_id"] not in places]
    if unknown:
        raise ValueError(f"segments must be of the {len(places)} categories, received category id {unknown[0]}.")
    if scale == "auto":
        scale = max(-(-512 // min(image.shape[:2])), 1)
    ids, numbers = np.unique(labels, return_inverse=True)
    numbers = numbers.reshape(labels.shape)
    colors, known = _segment_colors(ids, segments, categories, places)
    if scale > 1:
        size = image.shape[1] * scale, image.shape[0] * scale
        image = np.asarray(Image.fromarray(image).resize(size, Image.BILINEAR))
        numbers = numbers.repeat(scale, axis=0).repeat(scale, axis=1)
    share = (alpha * known)[numbers][..., None]
    picture = np.round((1 - share) * image + share * colors[numbers]).astype("uint8")
    if boundary:
        picture[boundaries(numbers, boundary)] = 255
    if not legend:
        return picture
    names, shown = _legend(ids, np.bincount(numbers.ravel(), minlength=len(ids)), segments, categories, places)
    font_size = 12 if picture.shape[0] < 400 else 16
    return side_by_side([picture, draw_legend(names, shown, height=picture.shape[0], font_size=font_size)])


def boundaries(labels, width=1):
    """The pixels at the borders of segments.

    Args:
        labels: int (height, width).
        width: int, 1: the pixels above and left of a border; each more reaches a pixel further to both sides.

    Returns:
        bool (height, width).
    """
    lines = np.zeros(labels.shape, bool)
    lines[:-1] |= labels[:-1] != labels[1:]
    lines[:, :-1] |= labels[:, :-1] != labels[:, 1:]
    for _ in range(width - 1):
        wide = np.pad(lines, 1)
        lines = lines | wide[:-2, 1:-1] | wide[2:, 1:-1] | wide[1:-1, :-2] | wide[1:-1, 2:]
    return lines


def category_colors(categories):
    """uint8 (P, 3): the categories' own colours where they have some, else colours that stay with their place."""
    colors = instance_colors(len(categories))
    for k, category in enumerate(categories):
        if category.get("color") is not None:
            colors[k] = category["color"]
    return colors


def _segment_colors(ids, segments, categories, places):
    """float (n, 3) colours of the ids, and float (n,) 1 where an id is a segment's."""
    base = category_colors(categories).astype(float)
    colors, known = np.zeros((len(ids), 3)), np.zeros(len(ids))
    turns = np.zeros(len(categories), int)
    rows = {number: row for row, number in enumerate(ids.tolist()) if number != 0}
    for segment in segments:
        place, row = places[segment["category_id"]], rows.get(segment["id"])
        if row is None:
            continue
        shade = _SHADES[turns[place] % len(_SHADES)] if categories[place].get("isthing") else 0.0
        turns[place] += 1
        colors[row] = base[place] + abs(shade) * ((255.0 if shade > 0 else 0.0) - base[place])
        known[row] = 1.0
    return colors, known


def _legend(ids, areas, segments, categories, places):
    """Names and colours of the categories that are seen."""
    area = dict(zip(ids.tolist(), areas.tolist()))
    total = np.zeros(len(categories))
    instances, crowds = np.zeros(len(categories), int), np.zeros(len(categories), int)
    for segment in segments:
        if segment["id"] in area:
            place = places[segment["category_id"]]
            total[place] += area[segment["id"]]
            (crowds if segment.get("iscrowd") else instances)[place] += 1
    seen = np.flatnonzero(total).tolist()
    seen.sort(key=lambda k: (not categories[k].get("isthing"), -total[k]))
    names = []
    for k in seen:
        several = categories[k].get("isthing") and instances[k] != 1
        notes = [str(instances[k])] * bool(several and instances[k]) + ["crowd"] * bool(crowds[k])
        names.append(
            str(categories[k].get("name") or categories[k]["id"]) + (f" ({' + '.join(notes)})" if notes else "")
        )
    return names, category_colors(categories)[seen]
