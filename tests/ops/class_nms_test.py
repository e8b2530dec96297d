"""Detections of several classes against a loop over the classes and against torchvision."""

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from panet_tf.ops.class_nms import class_nms
from tests.ops.nms_test import slow_nms

NAMES = ("boxes", "scores", "classes", "roi_indices", "valid")


def slow_class_nms(boxes, scores, score_threshold, iou_threshold, max_detections):
    """(score, class, RoI) of the detections of one image: boxes (R, K, 4), scores (R, K)."""
    found = []
    for k in range(scores.shape[1]):
        for roi in slow_nms(boxes[:, k], scores[:, k], iou_threshold, len(scores), score_threshold):
            found.append((-scores[roi, k], k + 1, roi))
    return [(-score, k, roi) for score, k, roi in sorted(found)[:max_detections]]


def build(implementation, **kwargs):
    return tf.function(
        lambda boxes, scores: class_nms(boxes, scores, implementation=implementation, **kwargs),
        jit_compile=implementation == "matrix",
        autograph=False,
    )


FUNCTIONS = {
    name: build(name, score_threshold=0.15, iou_threshold=0.5, max_detections=8, pre_nms_top_k=None)
    for name in ("native", "matrix")
}


@settings(deadline=None, max_examples=40)
@given(seed=st.integers(0, 2**32 - 1), agnostic=st.booleans())
def test_both_suppress_within_classes_only(seed, agnostic):
    rng = np.random.default_rng(seed)
    corners = rng.integers(0, 6, (2, 10, 1 if agnostic else 3, 2))
    boxes = np.concatenate([corners, corners + rng.integers(0, 5, corners.shape)], axis=-1).astype(np.float32)
    scores = (rng.integers(0, 8, (2, 10, 3)) / 10).astype(np.float32)
    for name, function in FUNCTIONS.items():
        result = {key: value.numpy() for key, value in function(boxes, scores).items()}
        for image in range(2):
            every = np.broadcast_to(boxes[image], (10, 3, 4))
            expected = slow_class_nms(every.astype(float), scores[image], 0.15, 0.5, 8)
            found = result["valid"][image].sum()
            triples = zip(*(result[key][image, :found].tolist() for key in ("scores", "classes", "roi_indices")))
            assert [tuple(triple) for triple in triples] == [(pytest.approx(s), k, roi) for s, k, roi in expected], name
            for place, (_, k, roi) in enumerate(expected):
                np.testing.assert_array_equal(result["boxes"][image, place], every[roi, k - 1])
            for key in NAMES:
                assert not result[key][image, found:].any(), (name, key)  # zeros in empty places


@pytest.mark.golden
@pytest.mark.parametrize("implementation", ["native", "matrix"])
def test_suppression_within_classes_equals_torchvision(golden, implementation):
    values = golden("ops")
    boxes, classes = values["nms_boxes"][None, :, None, [1, 0, 3, 2]], values["nms_classes"]
    scores = np.where(classes[:, None] == np.arange(classes.max() + 1), values["nms_scores"][:, None], 0)[None]
    function = build(implementation, score_threshold=0.0, iou_threshold=0.5, max_detections=300)
    result = function(tf.constant(boxes), tf.constant(scores, tf.float32))
    found = result["roi_indices"][0].numpy()[result["valid"][0].numpy()]
    assert found.tolist() == values["batched_nms_keep_05"].tolist()
    np.testing.assert_array_equal(result["classes"][0].numpy()[: len(found)], classes[found] + 1)


def test_the_limit_on_candidates_is_the_same_in_both():
    rng = np.random.default_rng(0)
    corners = rng.integers(0, 20, (2, 30, 4, 2))
    boxes = tf.constant(np.concatenate([corners, corners + 4], axis=-1), tf.float32)
    scores = tf.constant(rng.integers(0, 5, (2, 30, 4)) / 5, tf.float32)  # the limit cuts through equal scores
    kwargs = {"score_threshold": 0.1, "iou_threshold": 0.3, "max_detections": 60, "pre_nms_top_k": 37}
    native, matrix = (build(name, **kwargs)(boxes, scores) for name in ("native", "matrix"))
    for key in NAMES:
        np.testing.assert_array_equal(native[key], matrix[key], err_msg=key)
    unlimited = build("native", **{**kwargs, "pre_nms_top_k": None})(boxes, scores)
    assert (unlimited["valid"].numpy().sum(-1) > 37).all()
    assert (native["valid"].numpy().sum(-1) <= 37).all()


@pytest.mark.parametrize("implementation", ["native", "matrix"])
def test_nothing_above_the_threshold_gives_empty_places(implementation):
    function = build(implementation, score_threshold=0.9, iou_threshold=0.5, max_detections=7)
    result = function(tf.ones((2, 3, 1, 4)), tf.fill((2, 3, 2), 0.5))
    assert [tuple(result[key].shape) for key in NAMES] == [(2, 7, 4), (2, 7), (2, 7), (2, 7), (2, 7)]
    assert not any(result[key].numpy().any() for key in NAMES)


def test_shapes_that_do_not_belong_together_are_refused():
    with pytest.raises(ValueError, match=r"\(2, 3, 4, 4\)"):
        class_nms(tf.ones((2, 3, 4, 4)), tf.ones((2, 3, 5)), score_threshold=0, iou_threshold=0.5, max_detections=1)
