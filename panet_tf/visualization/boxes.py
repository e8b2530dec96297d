"""Box outlines, and labels put where they can be read."""

import functools

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from panet_tf.visualization.colors import text_color


def draw_boxes(image, boxes, colors, *, width=1):
    """Draws the outline of each box, just inside it.

    Args:
        image: uint8 (height, width, 3), changed in place.
        boxes: float (n, 4), yxyx in pixels; parts outside the image are not drawn.
        colors: uint8 (n, 3).
        width: int, of the line in pixels. Defaults to 1.

    Returns:
        `image`.
    """
    height, total = image.shape[:2]
    for (y0, x0, y1, x1), color in zip(_whole(boxes, (height, total)), colors):
        for inset in range(width):
            top, left, bottom, right = y0 + inset, x0 + inset, y1 - 1 - inset, x1 - 1 - inset
            if top > bottom or left > right:
                break
            rows = slice(max(top, 0), min(bottom + 1, height))
            columns = slice(max(left, 0), min(right + 1, total))
            for y in {top, bottom}:
                if 0 <= y < height:
                    image[y, columns] = color
            for x in {left, right}:
                if 0 <= x < total:
                    image[rows, x] = color
    return image


def draw_labels(image, boxes, labels, colors, *, font_size=12):
    """Writes a label at each box where it covers neither other labels nor the picture's edge.

    The places tried are above the box, below it, and inside it at the top and at the bottom, left and right; none may
    cover another label, or more than a quarter of any box. A label that fits nowhere is tried in its shorter forms and
    then left out: in a crowd, a few labels that can be read and objects that can be seen are better than a heap. Boxes
    come in order of importance.

    Args:
        image: uint8 (height, width, 3), changed in place.
        boxes: float (n, 4), yxyx in pixels.
        labels: n tuples of str, a label in its forms from long to short; an empty tuple for none.
        colors: uint8 (n, 3), of the ground behind the letters.
        font_size: int, in pixels. Defaults to 12.

    Returns:
        list of n, the form that was written or `None`.
    """
    height, width = image.shape[:2]
    taken = np.zeros((0, 4), int)
    written, grounds = [], []
    boxes = _whole(boxes, (height, width))
    for box, forms in zip(boxes, labels):
        place = None
        for form in forms:
            place = _place(box, _ground_size(form, font_size), (height, width), taken, boxes)
            if place is not None:
                taken = np.concatenate([taken, [place]])
                break
        written.append(form if place is not None else None)
        grounds.append(place)
    canvas = Image.fromarray(image)
    draw = ImageDraw.Draw(canvas)
    for text, place, color in zip(written, grounds, colors):
        if text is not None:
            y0, x0, y1, x1 = (int(number) for number in place)
            color = tuple(int(channel) for channel in color)
            draw.rectangle((x0, y0, x1 - 1, y1 - 1), fill=color)
            draw.text((x0 + 2, (y0 + y1) / 2), text, fill=text_color(color), font=font(font_size), anchor="lm")
    image[:] = np.asarray(canvas)
    return written


@functools.lru_cache(maxsize=16)
def font(size):
    """Pillow's own font: the same letters on every machine."""
    return ImageFont.load_default(size)


def _ground_size(text, font_size):
    ascent, descent = font(font_size).getmetrics()
    return ascent + descent, int(np.ceil(font(font_size).getlength(text))) + 4


def _place(box, ground, size, taken, boxes):
    """The first place of a label, yxyx, that covers no other label and little of any box, or `None`."""
    y0, x0, y1, x1 = box
    h, w = ground
    height, width = size
    if h > height or w > width:
        return None
    for y in (y0 - h, y1, y0 + 1, y1 - h - 1):
        for x in (x0, x1 - w):
            place = np.array([y, min(max(x, 0), width - w), y, min(max(x, 0), width - w)]) + (0, 0, h, w)
            if y < 0 or y + h > height or _common(place, taken).any():
                continue
            areas = np.prod(np.maximum(boxes[:, 2:] - boxes[:, :2], 0), axis=-1)
            if (_common(place, boxes) <= areas / 4).all():
                return place
    return None


def _common(box, boxes):
    """Area that a box shares with each of several."""
    sides = np.minimum(boxes[:, 2:], box[2:]) - np.maximum(boxes[:, :2], box[:2])
    return np.prod(np.maximum(sides, 0), axis=-1)


def _whole(boxes, size):
    """Boxes in whole pixels, within a picture's reach (what is not finite becomes empty)."""
    boxes = np.asarray(boxes, "float64").reshape(-1, 4)
    boxes = np.where(np.isnan(boxes).any(axis=-1, keepdims=True), 0.0, np.nan_to_num(boxes))  # half a box is none
    reach = 2.0 * max(size)
    return np.round(np.clip(boxes, -reach, reach)).astype(int)
