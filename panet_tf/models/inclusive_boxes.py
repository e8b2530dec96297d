"""Boxes that name the last pixel that they hold, as Detectron's and PANet's do, between two resolutions."""

import tensorflow as tf


def to_last_original_pixel(boxes, inputs, pooling):
    """Network boxes whose last pixel, one of the network's, becomes one of the original image's.

    Detectron divides a region's first and last pixel by the scale and decodes there: with the last pixel counted in,
    the region is longer than ours by an original pixel less one of the network's.

    Args:
        boxes: float32 (B, R, 4), yxyx in network pixels, ending behind the last pixel.
        inputs: complete inputs.
        pooling: the layer that pools them; only where it is `inclusive` boxes change.

    Returns:
        float32 (B, R, 4).
    """
    return boxes + _difference(inputs) if getattr(pooling, "inclusive", False) else boxes


def to_last_network_pixel(boxes, inputs, pooling):
    """What `to_last_original_pixel` is undone by: for regions of found boxes, which are original ones times the scale.

    Args:
        boxes, inputs, pooling: as there.

    Returns:
        float32 (B, R, 4).
    """
    return boxes - _difference(inputs) if getattr(pooling, "inclusive", False) else boxes


def _difference(inputs):
    """float32 (B, 1, 4)."""
    return tf.pad(inputs["scales"] - 1.0, [[0, 0], [2, 0]])[:, None]
