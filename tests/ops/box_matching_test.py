import numpy as np
import pytest
import tensorflow as tf

from panet_tf.ops.box_matching import match_boxes
from panet_tf.ops.boxes import pairwise_ioa, pairwise_iou
from panet_tf.ops.matching import match


def draw_boxes(*shape, seed=0, whole=False):
    rng = np.random.default_rng(seed)
    corner, size = rng.uniform(0, 40, (*shape, 2)), rng.uniform(4, 30, (*shape, 2))
    boxes = np.concatenate([corner, corner + size], axis=-1)
    return tf.constant(np.round(boxes / 8) * 8 if whole else boxes, tf.float32)


@pytest.mark.parametrize("force", [False, True])
@pytest.mark.parametrize("crowd_overlap", [None, 0.5])
@pytest.mark.parametrize("own_candidates", [False, True])
@pytest.mark.parametrize("whole", [False, True])  # boxes on a coarse grid tie often
@pytest.mark.parametrize("jit_compile", [False, True])
def test_it_equals_matching_the_matrix(force, crowd_overlap, own_candidates, whole, jit_compile):
    boxes = draw_boxes(3, 7, whole=whole)
    candidates = draw_boxes(*((3, 60) if own_candidates else (60,)), seed=1, whole=whole)
    rng = np.random.default_rng(2)
    valid, crowds = rng.random((3, 7)) < 0.6, rng.random((3, 7)) < 0.3
    valid &= ~crowds
    valid[0] = False
    thresholds = {"positive_threshold": 0.5, "negative_threshold": 0.3, "force": force}
    ignored = None
    if crowd_overlap:
        ignored = tf.reduce_any((pairwise_ioa(candidates, boxes) > crowd_overlap) & crowds[:, None], axis=-1)
    expected = match(pairwise_iou(boxes, candidates), valid, ignored=ignored, **thresholds)
    matched = tf.function(
        lambda: match_boxes(
            boxes, candidates, tf.constant(valid), crowds=tf.constant(crowds), crowd_overlap=crowd_overlap, **thresholds
        ),
        jit_compile=jit_compile,
    )()
    np.testing.assert_array_equal(matched[1], expected[1])
    np.testing.assert_array_equal(matched[0], expected[0])


def test_no_slots_and_no_valid_slot_give_background():
    candidates = draw_boxes(9)
    for slots in (0, 2):
        indices, labels = match_boxes(
            draw_boxes(1, slots),
            candidates,
            tf.zeros((1, slots), tf.bool),
            positive_threshold=0.7,
            negative_threshold=0.3,
        )
        assert not indices.numpy().any() and not labels.numpy().any()


def test_thresholds_out_of_order_are_refused():
    with pytest.raises(ValueError, match="0 <= negative_threshold"):
        boxes, valid = draw_boxes(1, 2), tf.ones((1, 2), tf.bool)
        match_boxes(boxes, draw_boxes(3), valid, positive_threshold=0.3, negative_threshold=0.5)
