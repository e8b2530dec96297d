"""Which windows of a pyramid are drawn: labels cell by cell, the balance, and the order of noise."""

import numpy as np
import tensorflow as tf

from panet_tf.models.mask_cell_sampler import MaskCellSampler
from tests.layer_checks import map_structure
from tests.ops.mask_proposal_cells_test import SCALES, SIZES, slow_match

BOXES = np.float32([[10, 10, 19, 18], [20, 30, 36, 44], [2, 40, 25, 62], [30, 4, 42, 17], [0, 0, 8, 8]])
CLASSES = np.int32([1, 2, 1, 2, 0])
CROWDS = np.array([False, False, False, True, False])
IMAGE = (44.0, 56.0)  # of a canvas of 48 x 64


def slow_labels():
    """-1, 0 or 1 of every cell and what it is matched with, by the rule."""
    matched = slow_match(np.float64(BOXES), (CLASSES > 0) & ~CROWDS, radius=1.0)
    labels = []
    for _ in SCALES:
        for name, (height, width) in SIZES.items():
            stride = 2 ** int(name[1:])
            for y in (np.arange(height) + 0.5) * stride:
                for x in (np.arange(width) + 0.5) * stride:
                    outside = y >= IMAGE[0] or x >= IMAGE[1]
                    positive = matched[len(labels)] >= 0 and not outside
                    crowd = 30 <= y < 42 and 4 <= x < 17
                    labels.append(1 if positive else -1 if outside or crowd else 0)
    return np.array(labels), matched


def drawn(count, noise, empty=False, **kwargs):
    sampler = MaskCellSampler(count=count, **kwargs)
    classes = np.zeros_like(CLASSES) if empty else CLASSES
    arguments = [tf.constant(value[None]) for value in (BOXES, classes, CROWDS, np.float32(IMAGE), noise)]
    return map_structure(lambda x: x.numpy()[0], sampler(*arguments, sizes=SIZES, scales=SCALES))


def test_it_draws_the_noisiest_of_each_kind_one_to_three():
    labels, matched = slow_labels()
    assert (labels == 1).sum() > 8 and (labels == -1).sum() > 60
    noise = np.random.default_rng(0).random(len(labels)).astype("float32")
    found = drawn(32, noise)
    order = np.argsort(-noise, kind="stable")
    positives, negatives = ([i for i in order if labels[i] == label] for label in (1, 0))
    np.testing.assert_array_equal(found["labels"], [1] * 8 + [0] * 24)
    np.testing.assert_array_equal(found["indices"], positives[:8] + negatives[:24])
    np.testing.assert_array_equal(found["matched"], [*matched[positives[:8]], *[0] * 24])
    # Negatives fill up where positives are few; both may end.
    found = drawn(len(labels), noise, positive_fraction=0.5)
    assert (found["labels"] == 1).sum() == len(positives) and (found["labels"] == 0).sum() == len(negatives)
    assert sorted(found["indices"][found["labels"] >= 0]) == sorted(np.flatnonzero(labels >= 0))
    found = drawn(32, noise, empty=True)
    assert (found["labels"] == 0).all() and not found["matched"].any()


def test_the_share_is_of_what_is_drawn_in_all():
    assert MaskCellSampler().num_positive == 32  # of 128 an image: 2048 of 16 images, 1:3
    config = MaskCellSampler(count=64, positive_fraction=0.5, radius=1.5).get_config()
    sampler = MaskCellSampler.from_config(config)
    assert (sampler.num_positive, sampler.radius, sampler.count) == (32, 1.5, 64)
