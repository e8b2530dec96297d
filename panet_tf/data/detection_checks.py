"""What settings of an input pipeline must be, and what they should."""

import logging

import numpy as np


def check_settings(data):
    """Refuses settings of `DetectionData` that cannot be.

    Args:
        data: `DetectionData` with its settings as attributes.

    Raises:
        ValueError: with the rule and what was received.
    """
    if min(data.batch_size, data.max_instances, data.max_proposals) < 1:
        raise ValueError(
            "`batch_size`, `max_instances` and `max_proposals` must be at least 1, received "
            f"{data.batch_size}, {data.max_instances} and {data.max_proposals}."
        )
    if data.short_side_sampling not in ("choice", "range"):
        raise ValueError(f'`short_side_sampling` must be "choice" or "range", received {data.short_side_sampling!r}.')
    if data.short_side_sampling == "range" and len(data.short_sides) != 2:
        raise ValueError(f"a range of short sides has a least and a greatest, received {data.short_sides}.")
    sides = [side for side in (*data.short_sides, data.long_side) if side is not None]
    if not data.short_sides or any(side < 1 for side in sides) or (None in data.short_sides[1:]):
        raise ValueError(f"sides must be positive, received {data.short_sides} and {data.long_side}.")
    if not 0 <= data.seed < 2**31:
        raise ValueError(f"`seed` must be an integer from 0 to 2**31 - 1, received {data.seed}.")
    if min(data.std) <= 0:
        raise ValueError(f"`std` must be positive, received {data.std}.")
    if data.semantic_context is not None and data.panoptic_categories is None:
        raise ValueError(
            "`semantic_context` needs a source of panoptic data, with `panoptic_categories`, received "
            f"{data.semantic_context!r} and {type(data.source).__name__}."
        )
    if data.scale_jitter is not None and not 0 < data.scale_jitter[0] <= data.scale_jitter[1]:
        raise ValueError(f"`scale_jitter` must be a range of positive factors, received {data.scale_jitter}.")
    if not data.training and (data.augment or data.scale_jitter or len(data.short_sides) > 1):
        raise ValueError(
            "evaluation sees images as they are: `augment`, `scale_jitter` and several short sides need "
            f"`training=True`, received {data.augment}, {data.scale_jitter} and {data.short_sides}."
        )


def warn_of_small_canvases(data):
    """Says so where most images are shown smaller than the sides ask for, as no canvas holds them at that size.

    Then `short_side` and `long_side` change nothing, which is easily taken for their effect. With `scale_jitter` the
    canvas is a window that larger images are cut to, so that nothing is said.

    Args:
        data: `DetectionData`. The longest of its short sides counts. Of a source without `image_sizes` a square stands
            for all images.
    """
    if data.scale_jitter is not None:
        return
    sizes = np.maximum(np.asarray(getattr(data.source, "image_sizes", [(1, 1)]), np.float64), 1)
    scales = np.ones(len(sizes))
    short_side = max((side for side in data.short_sides if side is not None), default=None)
    if short_side is not None:
        scales = short_side / sizes.min(axis=-1)
    if data.long_side is not None:
        scales = np.minimum(scales, data.long_side / sizes.max(axis=-1))
    asked = np.floor(sizes * scales[:, None] + 0.5)
    held = np.any([np.all(asked <= canvas, axis=-1) for canvas in data.canvases], axis=0)
    shrunk = int(np.sum(~held))
    if 2 * shrunk > len(sizes):
        logging.warning(
            "%d of %d images are shown smaller than short_side=%s and long_side=%s ask for, as none of the canvases %s "
            "holds them at that size: larger sides change nothing. Give larger canvases, or sides that they hold: at "
            "most short_side=%d, long_side=%d.",
            shrunk,
            len(sizes),
            short_side,
            data.long_side,
            data.canvases,
            max(min(canvas) for canvas in data.canvases),
            max(max(canvas) for canvas in data.canvases),
        )
