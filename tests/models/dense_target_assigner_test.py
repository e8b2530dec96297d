import numpy as np
import tensorflow as tf

from panet_tf.models.dense_target_assigner import DenseTargetAssigner
from panet_tf.ops.boxes import decode_boxes

# IoUs with a 10 x 10 object at the origin: 1, 0.8, 0.5, 0.45, 0.3, 0 and 0
ANCHORS = tf.constant(
    [[0, 0, 10, 10], [0, 0, 10, 8], [0, 0, 10, 5], [0, 0, 10, 4.5], [0, 0, 10, 3], [20, 20, 30, 30], [40, 40, 50, 50]]
)


def assign(boxes, classes, is_crowd=None, **kwargs):
    is_crowd = tf.constant([is_crowd or [False] * len(classes)])
    found = DenseTargetAssigner(**kwargs)(ANCHORS, tf.constant([boxes], tf.float32), tf.constant([classes]), is_crowd)
    return {name: value.numpy()[0] for name, value in found.items()}


def test_thresholds_part_the_anchors():
    found = assign([[20, 20, 22, 22], [0, 0, 10, 10]], [1, 3])
    np.testing.assert_array_equal(found["classes"], [3, 3, 3, -1, 0, 0, 0])
    np.testing.assert_array_equal(found["matched"][:5], [1] * 5)
    np.testing.assert_allclose(decode_boxes(found["box_deltas"], ANCHORS)[:3], [[0, 0, 10, 10]] * 3, atol=1e-4)
    assert not found["box_deltas"][3:].any()


def test_forced_matches_are_an_option():
    small = [[40, 40, 44, 44], [0, 0, 10, 3]], [2, 1]
    np.testing.assert_array_equal(assign(*small)["classes"], [0, 0, 1, 1, 1, 0, 0])
    found = assign(*small, force_matches=True)
    np.testing.assert_array_equal(found["classes"], [0, 0, 1, 1, 1, 0, 2])
    np.testing.assert_allclose(decode_boxes(found["box_deltas"][6], ANCHORS[6]), [40, 40, 44, 44], atol=1e-3)


def test_anchors_in_a_crowd_are_ignored_and_never_matched():
    crowd = [[18, 18, 52, 52]], [1], [True]
    np.testing.assert_array_equal(assign(*crowd)["classes"], [0, 0, 0, 0, 0, -1, -1])
    np.testing.assert_array_equal(assign(*crowd, crowd_overlap=None)["classes"], [0] * 7)


def test_no_objects_give_background_and_weights_scale_the_targets():
    found = assign([[0, 0, 0, 0]], [0])
    assert not found["classes"].any() and not found["box_deltas"].any()
    plain, scaled = (assign([[1, 2, 11, 12]], [1], box_weights=w) for w in ((1, 1, 1, 1), (10, 10, 5, 5)))
    assert plain["box_deltas"].any()
    np.testing.assert_allclose(scaled["box_deltas"], plain["box_deltas"] * [10, 10, 5, 5], rtol=1e-5)
