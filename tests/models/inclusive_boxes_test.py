"""Detectron's boxes between network and original pixels: its own steps, one by one, on boxes that name a last pixel."""

import types

import numpy as np
import tensorflow as tf

from panet_tf.models.inclusive_boxes import to_last_network_pixel, to_last_original_pixel
from panet_tf.ops.boxes import decode_boxes, to_original

SCALE = 1.6
INPUTS = {"scales": tf.fill((1, 2), SCALE), "offsets": tf.zeros((1, 2))}
WEIGHTS = (10.0, 10.0, 5.0, 5.0)


def detectrons_boxes(rois, deltas):
    """`im_detect_bbox`: regions xyxy in network pixels, with their last pixel, to boxes in original pixels."""
    boxes = rois / SCALE
    widths, heights = boxes[:, 2] - boxes[:, 0] + 1, boxes[:, 3] - boxes[:, 1] + 1
    x, y = boxes[:, 0] + 0.5 * widths, boxes[:, 1] + 0.5 * heights
    dx, dy, dw, dh = (deltas / WEIGHTS).T
    x, y, widths, heights = dx * widths + x, dy * heights + y, np.exp(dw) * widths, np.exp(dh) * heights
    return np.stack([x - widths / 2, y - heights / 2, x + widths / 2 - 1, y + heights / 2 - 1], axis=-1)


def test_boxes_and_regions_of_masks_are_detectrons():
    rng = np.random.default_rng(0)
    corners = rng.uniform(0, 300, (20, 2))
    theirs = np.concatenate([corners, corners + rng.uniform(3, 200, (20, 2))], axis=-1)
    deltas = rng.standard_normal((20, 4))
    expected = detectrons_boxes(theirs, deltas)

    pooling = types.SimpleNamespace(inclusive=True)
    ours = (theirs + (0, 0, 1, 1))[:, [1, 0, 3, 2]].astype("f")[None]
    regions = to_last_original_pixel(tf.constant(ours), INPUTS, pooling)
    found = decode_boxes(deltas[None][..., [1, 0, 3, 2]], regions, WEIGHTS)
    boxes = to_original(found, INPUTS["scales"], INPUTS["offsets"])[0].numpy()
    np.testing.assert_allclose(boxes[:, [1, 0, 3, 2]] - (0, 0, 1, 1), expected, atol=1e-3)  # pixels

    pooled = to_last_network_pixel(found, INPUTS, pooling)[0].numpy() - (0, 0, 1, 1)  # as the pooling layer has it
    np.testing.assert_allclose(pooled[:, [1, 0, 3, 2]], expected * SCALE, atol=1e-3)


def test_other_boxes_stay():
    boxes = tf.ones((1, 3, 4))
    for function in (to_last_original_pixel, to_last_network_pixel):
        for pooling in (None, types.SimpleNamespace(inclusive=False)):
            assert function(boxes, INPUTS, pooling) is boxes
