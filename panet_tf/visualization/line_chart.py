"""Curves in one picture, drawn by Pillow: enough for the figures of the papers, without a plotting library."""

import math

import numpy as np
from PIL import Image, ImageDraw

from panet_tf.visualization.boxes import font

COLORS = ((31, 119, 180), (255, 127, 14), (44, 160, 44), (214, 39, 40), (148, 103, 189), (140, 86, 75), (80, 80, 80))
_SCALE = 3  # drawn so much larger and shrunk, which smooths the lines


def line_chart(
    curves,
    *,
    title="",
    x_label="",
    y_label="",
    x_range=None,
    y_range=None,
    log_x=False,
    names_below=False,
    size=(400, 520),
    font_size=14,
):
    """Draws named curves over common axes.

    Args:
        curves: dict from name to a pair of sequences, x and y, of equal lengths; entries that are not finite are left
            out.
        title, x_label, y_label: str, above and along the axes.
        x_range, y_range: (lowest, highest), or `None` for that of the values.
        log_x: bool, whether x, above 0, is drawn by its logarithm. Defaults to False.
        names_below: bool, whether the names stand at the bottom left, for curves that fall. Defaults to False: at the
            top.
        size: (height, width) in pixels. Defaults to (400, 520).
        font_size: int, in pixels. Defaults to 14.

    Returns:
        uint8 (height, width, 3).

    Raises:
        ValueError: if there is no curve, or one whose x and y differ in length.

    Example:
        >>> chart = line_chart({"gamma 2": (fractions, losses)}, x_label="fraction", y_label="share of loss")
        >>> Image.fromarray(chart).save("chart.png")
    """
    curves = {name: tuple(np.asarray(values, np.float64) for values in pair) for name, pair in curves.items()}
    if not curves or any(x.ndim != 1 or x.shape != y.shape for x, y in curves.values()):
        shapes = {name: [values.shape for values in pair] for name, pair in curves.items()}
        raise ValueError(f"line_chart needs curves whose x and y are sequences of one length, received {shapes}.")
    if log_x:
        curves = {name: (np.log10(np.where(x > 0, x, np.nan)), y) for name, (x, y) in curves.items()}
        x_range = x_range and tuple(math.log10(side) for side in x_range)
    x_range = x_range or _span([x for x, _ in curves.values()])
    y_range = y_range or _span([y for _, y in curves.values()])
    height, width = (_SCALE * side for side in size)
    letters, line = font(_SCALE * font_size), _SCALE * font_size
    image = Image.new("RGB", (width, height), (255, 255, 255))
    draw = ImageDraw.Draw(image)
    left, top, right, bottom = 4.5 * line, 2 * line, width - 1.5 * line, height - 3.5 * line

    def place(x, y):
        across, up = ((v - low) / (high - low) for v, (low, high) in ((x, x_range), (y, y_range)))
        return left + across * (right - left), bottom - up * (bottom - top)

    for value in (_log_ticks if log_x else _ticks)(*x_range):
        x, _ = place(value, y_range[0])
        draw.line([(x, top), (x, bottom)], fill=(225, 225, 225), width=_SCALE)
        text = _of_power(value) if log_x else f"{value:g}"
        draw.text((x, bottom + 0.3 * line), text, fill=(0, 0, 0), font=letters, anchor="ma")
    for value in _ticks(*y_range):
        _, y = place(x_range[0], value)
        draw.line([(left, y), (right, y)], fill=(225, 225, 225), width=_SCALE)
        draw.text((left - 0.4 * line, y), f"{value:g}", fill=(0, 0, 0), font=letters, anchor="rm")
    draw.rectangle([left, top, right, bottom], outline=(0, 0, 0), width=_SCALE)
    for color, (x, y) in zip(_colors(), curves.values()):
        seen = np.isfinite(x) & np.isfinite(y)
        points = [place(*point) for point in zip(np.clip(x[seen], *x_range), np.clip(y[seen], *y_range))]
        if len(points) > 1:
            draw.line(points, fill=color, width=2 * _SCALE, joint="curve")
    first = bottom - (1.3 * len(curves) + 0.5) * line if names_below else top
    for i, (color, name) in enumerate(zip(_colors(), curves)):
        y = first + (0.9 + 1.3 * i) * line
        draw.line([(left + 0.6 * line, y), (left + 2 * line, y)], fill=color, width=2 * _SCALE)
        draw.text((left + 2.4 * line, y), name, fill=(0, 0, 0), font=letters, anchor="lm")
    draw.text((width / 2, 0.9 * line), title, fill=(0, 0, 0), font=letters, anchor="mm")
    draw.text(((left + right) / 2, height - 1.1 * line), x_label, fill=(0, 0, 0), font=letters, anchor="mm")
    side = Image.new("RGB", (int(bottom - top), int(1.6 * line)), (255, 255, 255))
    center = (side.width / 2, side.height / 2)
    ImageDraw.Draw(side).text(center, y_label, fill=(0, 0, 0), font=letters, anchor="mm")
    image.paste(side.rotate(90, expand=True), (int(0.1 * line), int(top)))
    return np.array(image.resize((size[1], size[0]), Image.Resampling.LANCZOS))


def _colors():
    while True:
        yield from COLORS


def _span(values):
    values = np.concatenate(values)
    values = values[np.isfinite(values)]
    low, high = (float(values.min()), float(values.max())) if len(values) else (0.0, 1.0)
    return (low, high) if high > low else (low - 0.5, high + 0.5)


def _ticks(low, high):
    """Four to ten round numbers within a range."""
    step = 10 ** math.floor(math.log10((high - low) / 2))
    step = next(step * factor for factor in (1, 2, 5, 10) if (high - low) / (step * factor) <= 8)
    return [step * i for i in range(math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9) + 1)]


def _of_power(value):
    number = 10**value
    return f"{number:,.0f}" if number >= 10 else f"{number:.3g}"


def _log_ticks(low, high):
    """Logarithms of powers of ten within a range, and of twice and five times as much where it spans few of them."""
    factors = (1, 2, 5) if high - low < 2.5 else (1,)
    ticks = [math.log10(f) + power for power in range(math.floor(low), math.ceil(high) + 1) for f in factors]
    return [tick for tick in ticks if low - 1e-9 <= tick <= high + 1e-9]
