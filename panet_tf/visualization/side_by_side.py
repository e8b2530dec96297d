"""Pictures next to each other under their titles."""

import numpy as np
from PIL import Image, ImageDraw

from panet_tf.visualization.boxes import font


def side_by_side(images, titles=None, *, gap=8, font_size=16):
    """Sets pictures in a row, each under its title.

    Args:
        images: sequence of uint8 (height, width, 3) of any sizes.
        titles: sequence of str, one a picture; no line of titles when `None`.
        gap: int, white pixels between pictures. Defaults to 8.
        font_size: int, of the titles in pixels. Defaults to 16.

    Returns:
        uint8 (height, width, 3); smaller pictures are at the top.

    Raises:
        ValueError: no pictures, or another number of titles.

    Example:
        >>> row = side_by_side([prediction, truth], ["prediction", "ground truth"])
    """
    images = [np.asarray(image) for image in images]
    if not images or (titles is not None and len(titles) != len(images)):
        count = "no" if titles is None else len(titles)
        raise ValueError(
            f"side_by_side needs pictures and a title for each, received {len(images)} and {count} titles."
        )
    top = 0 if titles is None else sum(font(font_size).getmetrics()) + 4
    height = top + max(image.shape[0] for image in images)
    width = sum(image.shape[1] for image in images) + gap * (len(images) - 1)
    canvas = Image.new("RGB", (width, height), (255, 255, 255))
    draw = ImageDraw.Draw(canvas)
    left = 0
    for i, image in enumerate(images):
        if titles is not None:
            draw.text((left + 2, 2), titles[i], fill=(0, 0, 0), font=font(font_size))
        canvas.paste(Image.fromarray(image), (left, top))  # over the end of a title too long for its picture
        left += image.shape[1] + gap
    return np.array(canvas)
