import numpy as np
import tensorflow as tf

from panet_tf.models.roi_sampler import RoISampler
from panet_tf.ops.boxes import decode_boxes

PROPOSALS = [[0, 0, 10, 10], [0, 0, 10, 6], [20, 20, 30, 30], [0, 0, 0, 0]]
BOXES = [[0, 0, 10, 9], [20, 20, 31, 30], [0, 0, 0, 0]]
CLASSES = [2, 1, 0]


def sample(classes=CLASSES, is_crowd=(False, False, False), **kwargs):
    sampler = RoISampler(**{"count": 8, "positive_fraction": 0.5, **kwargs})
    slots = len(PROPOSALS) + (len(BOXES) if sampler.append_boxes else 0)
    valid = tf.constant([[True, True, True, False]])
    return sampler(
        tf.constant([PROPOSALS], tf.float32),
        valid,
        tf.constant([BOXES], tf.float32),
        tf.constant([list(classes)]),
        tf.constant([list(is_crowd)]),
        tf.fill((1, slots), 0.5),
    )


def test_ground_truth_joins_and_positives_come_first():
    sampled = sample()
    np.testing.assert_array_equal(sampled["classes"][0], [2, 2, 1, 2, -1, -1, -1, -1])
    np.testing.assert_array_equal(sampled["matched"][0][:4], [0, 0, 1, 0])
    assert RoISampler(count=8, positive_fraction=0.5).num_positive == 4


def test_without_ground_truth_among_the_proposals():
    np.testing.assert_array_equal(sample(append_boxes=False)["classes"][0], [2, 2, 1, -1, -1, -1, -1, -1])


def test_targets_lead_from_the_region_to_its_object():
    sampled = sample(append_boxes=False)
    decoded = decode_boxes(sampled["box_deltas"], sampled["rois"], (10, 10, 5, 5))
    np.testing.assert_allclose(decoded[0, :3], [BOXES[0], BOXES[0], BOXES[1]], atol=1e-4)  # pixels, float32
    np.testing.assert_array_equal(sampled["box_deltas"][0, 3:], 0)


def test_background_below_the_threshold():
    sampled = sample(append_boxes=False, positive_iou=0.95)
    np.testing.assert_array_equal(sampled["classes"][0], [0, 0, 0, -1, -1, -1, -1, -1])


def test_crowds_make_their_regions_neither_object_nor_background():
    sampled = sample(is_crowd=(True, False, False), append_boxes=False)
    np.testing.assert_array_equal(sampled["classes"][0], [1, -1, -1, -1, -1, -1, -1, -1])


def test_no_objects_give_background_only():
    sampled = sample(classes=(0, 0, 0))
    np.testing.assert_array_equal(sampled["classes"][0], [0, 0, 0, -1, -1, -1, -1, -1])
    assert np.isfinite(sampled["box_deltas"]).all()
