"""Keypoints and the skeletons that join them."""

import numpy as np
from PIL import Image, ImageDraw

_FINER = 4  # drawn so many times larger, then reduced: smooth limbs without another library


def draw_keypoints(image, keypoints, colors, *, skeletons=None, threshold=0.05, radius=3, width=2):
    """Draws each object's keypoints as dots and its limbs as lines between them, in its colour with a dark rim.

    Args:
        image: uint8 (height, width, 3), changed in place.
        keypoints: n arrays (J, 3), or one (n, J, 3): y, x in pixels, and a visibility or a score.
        colors: uint8 (n, 3).
        skeletons: n sequences of pairs of keypoint numbers from 1 on, as COCO's categories have them under
            `"skeleton"`; pairs of numbers that are not there are left out. Defaults to `None`: dots only.
        threshold: float, points whose visibility or score is not above it are not drawn, nor limbs that end in them.
            Defaults to 0.05.
        radius: int, of a dot in pixels. Defaults to 3.
        width: int, of a limb in pixels. Defaults to 2.

    Returns:
        `image`.

    Example:
        >>> draw_keypoints(image, found["keypoints"], instance_colors(len(found["keypoints"])), skeletons=[skeleton])
    """
    height, total = image.shape[:2]
    for i, (points, color) in enumerate(zip(keypoints, colors)):
        points = np.asarray(points, "float64").reshape(-1, 3)
        shown = np.isfinite(points).all(-1) & (points[:, 2] > threshold)
        shown &= (np.abs(points[:, :2]) < 4 * max(height, total)).all(-1)
        if not shown.any():
            continue
        limbs = [(a - 1, b - 1) for a, b in (() if skeletons is None or skeletons[i] is None else skeletons[i])]
        limbs = [(a, b) for a, b in limbs if 0 <= min(a, b) and max(a, b) < len(points) and shown[a] and shown[b]]
        margin = radius + width + 2
        top, left = (int(np.clip(v - margin, 0, side)) for v, side in zip(points[shown, :2].min(0), image.shape))
        bottom, right = (
            int(np.clip(np.ceil(v) + margin, 0, side)) for v, side in zip(points[shown, :2].max(0), image.shape)
        )
        if bottom <= top or right <= left:
            continue
        window = image[top:bottom, left:right]
        places = [((x - left) * _FINER, (y - top) * _FINER) for y, x, _ in points]
        window[:] = _drawn(window, places, np.flatnonzero(shown), limbs, color, radius * _FINER, width * _FINER)
    return image


def _drawn(window, places, dots, limbs, color, radius, width):
    """A window of the image with one object's dots and limbs, laid over it through their coverage."""
    size = (window.shape[1] * _FINER, window.shape[0] * _FINER)
    result = window.astype("float32")
    color = np.asarray(color, "float32")
    for grown, paint in ((_FINER, 0.25 * color), (0, color)):  # the rim, then what lies inside it
        cover = Image.new("L", size, 0)
        draw = ImageDraw.Draw(cover)
        for a, b in limbs:
            draw.line((places[a], places[b]), fill=255, width=width + 2 * grown)
        for j in dots:
            (x, y), r = places[j], radius + grown
            draw.ellipse((x - r, y - r, x + r, y + r), fill=255)
        share = np.asarray(cover.resize(window.shape[1::-1], Image.BOX), "float32")[..., None] / 255.0
        result += share * (paint - result)
    return np.round(result).astype("uint8")
