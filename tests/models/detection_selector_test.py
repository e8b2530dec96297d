import numpy as np
import tensorflow as tf

from panet_tf.models.detection_selector import DetectionSelector

ROIS = tf.constant([[[0, 0, 10, 10], [0, 0, 10, 9], [30, 30, 60, 60]]], tf.float32)
VALID = tf.constant([[True, True, True]])
SIZES = tf.constant([[40.0, 50.0]])


def logits(*probabilities):
    return tf.math.log(tf.constant([probabilities], tf.float32))


def test_each_class_suppresses_its_own():
    # Background, two classes: the second region repeats the first in class 1 and stays in class 2.
    found = DetectionSelector(max_detections=5, score_threshold=0.1)(
        logits([0.3, 0.65, 0.05], [0.2, 0.5, 0.3], [0.1, 0.05, 0.85]), tf.zeros((1, 3, 2, 4)), ROIS, VALID, SIZES
    )
    np.testing.assert_array_equal(found["classes"], [[2, 1, 2, 0, 0]])
    np.testing.assert_allclose(found["scores"], [[0.85, 0.65, 0.3, 0, 0]], atol=1e-6)
    np.testing.assert_allclose(found["boxes"][0, 0], [30, 30, 40, 50])  # clipped to the image
    np.testing.assert_array_equal(found["valid"], [[True, True, True, False, False]])


def test_agnostic_boxes_serve_every_class():
    found = DetectionSelector(max_detections=2)(
        logits([0.1, 0.2, 0.7], [0.9, 0.05, 0.05], [0.9, 0.05, 0.05]),
        tf.constant([[[[1.0, 0, 0, 0]]] * 3]),
        ROIS,
        VALID,
        SIZES,
    )
    np.testing.assert_allclose(found["boxes"][0], [[1, 0, 11, 10]] * 2, atol=1e-5)  # dy of 1 / 10 of ten pixels


def test_padding_regions_give_nothing():
    certain = logits([0.01, 0.98, 0.01], [0.01, 0.98, 0.01], [0.01, 0.98, 0.01])
    found = DetectionSelector(max_detections=3)(certain, tf.zeros((1, 3, 2, 4)), ROIS, ~VALID, SIZES)
    assert not found["valid"].numpy().any() and not found["scores"].numpy().any()


def test_boxes_clipped_to_nothing_or_to_less_than_the_smallest_side_are_dropped():
    certain = logits([0.1, 0.9], [0.1, 0.9], [0.1, 0.9])
    rois = tf.constant([[[0, 0, 10, 10], [20, 20, 30, 20.5], [40, 10, 60, 20]]], tf.float32)  # the last lies below 40
    deltas = tf.zeros((1, 3, 1, 4))
    for min_size in (0.0, 0.01):
        found = DetectionSelector(max_detections=3, min_size=min_size)(certain, deltas, rois, VALID, SIZES)
        np.testing.assert_array_equal(found["valid"], [[True, True, False]])
    found = DetectionSelector(max_detections=3, min_size=1.0)(certain, deltas, rois, VALID, SIZES)
    np.testing.assert_array_equal(found["valid"], [[True, False, False]])


def test_only_the_best_candidates_enter_suppression():
    scores = logits([0.1, 0.9], [0.3, 0.7], [0.2, 0.8])  # the first two overlap
    for top_k, expected in ((1, [0.9]), (2, [0.9, 0.8]), (None, [0.9, 0.8])):
        selector = DetectionSelector(max_detections=3, pre_nms_top_k=top_k)
        found = selector(scores, tf.zeros((1, 3, 1, 4)), ROIS, VALID, SIZES)
        np.testing.assert_allclose(found["scores"][found["valid"]], expected, atol=1e-6)
