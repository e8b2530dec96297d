"""A legend: colours and what they stand for."""

import numpy as np
from PIL import Image, ImageDraw

from panet_tf.visualization.boxes import font


def draw_legend(names, colors, *, height, font_size=14):
    """Draws a patch of each colour with its name, in columns.

    Args:
        names: sequence of n str.
        colors: uint8 (n, 3).
        height: int, of the picture in pixels; what does not fit below begins a new column.
        font_size: int, in pixels. Defaults to 14.

    Returns:
        uint8 (height, width, 3), black on white; the width is what the names need, 1 when there are none.

    Example:
        >>> side_by_side([picture, draw_legend(["sky", "tree"], colors, height=picture.shape[0])])
    """
    line = sum(font(font_size).getmetrics()) + 4
    rows = max((height - 4) // line, 1)
    columns = [list(zip(names, colors))[i : i + rows] for i in range(0, len(names), rows)]
    widths = [
        int(np.ceil(max(font(font_size).getlength(name) for name, _ in column))) + line + 12 for column in columns
    ]
    canvas = Image.new("RGB", (max(sum(widths), 1), height), (255, 255, 255))
    draw = ImageDraw.Draw(canvas)
    left = 0
    for column, width in zip(columns, widths):
        for row, (name, color) in enumerate(column):
            top = 2 + row * line
            color = tuple(int(channel) for channel in color)
            draw.rectangle((left + 4, top + 2, left + line, top + line - 3), fill=color, outline=(90, 90, 90))
            draw.text((left + line + 6, top + line / 2), name, fill=(0, 0, 0), font=font(font_size), anchor="lm")
        left += width
    return np.array(canvas)
