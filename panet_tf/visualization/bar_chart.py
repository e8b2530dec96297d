"""Bars in one picture, drawn by Pillow."""

import numpy as np
from PIL import Image, ImageDraw

from panet_tf.visualization.boxes import font
from panet_tf.visualization.line_chart import COLORS

_SCALE = 2  # drawn so much larger and shrunk, which smooths letters


def bar_chart(values, *, title="", log=False, bar_height=15, width=520, font_size=11):
    """Draws named numbers as bars, one below the other, each with its number behind it.

    Args:
        values: dict from names to numbers of at least 0.
        title: str, above.
        log: bool, whether lengths go by the logarithm of 1 + number, for numbers of several magnitudes. Defaults to
            False.
        bar_height: int, pixels from bar to bar. Defaults to 15.
        width: int, of the picture. Defaults to 520.
        font_size: int, in pixels. Defaults to 11.

    Returns:
        uint8 (height, width, 3).

    Raises:
        ValueError: if there is no number, or one that is negative or not finite.

    Example:
        >>> Image.fromarray(bar_chart(statistics["instances_of_category"], log=True)).save("categories.png")
    """
    numbers = np.array(list(values.values()), "float64")
    if not len(numbers) or not np.isfinite(numbers).all() or (numbers < 0).any():
        raise ValueError(f"bar_chart needs numbers of at least 0, received {dict(list(values.items())[:5])}.")
    lengths = np.log1p(numbers) if log else numbers
    lengths = lengths / max(lengths.max(), 1e-12)
    letters, step = font(_SCALE * font_size), _SCALE * bar_height
    top = int(2.2 * _SCALE * font_size) if title else step // 2
    size = (_SCALE * width, top + step * len(numbers) + step // 2)
    image = Image.new("RGB", size, (255, 255, 255))
    draw = ImageDraw.Draw(image)
    texts = [f"{number:,.0f}" if number == round(number) else f"{number:.3g}" for number in numbers]
    left = 2 * _SCALE * font_size + min(max(draw.textlength(str(name), font=letters) for name in values), size[0] // 2)
    room = size[0] - left - max(draw.textlength(text, font=letters) for text in texts) - 2 * _SCALE * font_size
    draw.text((size[0] / 2, 1.1 * _SCALE * font_size), title, fill=(0, 0, 0), font=letters, anchor="mm")
    for i, (name, length, text) in enumerate(zip(values, lengths, texts)):
        y = top + step * i
        draw.text((left - 4 * _SCALE, y + step / 2), str(name), fill=(0, 0, 0), font=letters, anchor="rm")
        end = left + max(room, 0) * length
        draw.rectangle([left, y + 0.15 * step, end, y + 0.85 * step], fill=COLORS[0])
        draw.text((end + 3 * _SCALE, y + step / 2), text, fill=(0, 0, 0), font=letters, anchor="lm")
    return np.array(image.resize((width, size[1] // _SCALE), Image.Resampling.LANCZOS))
