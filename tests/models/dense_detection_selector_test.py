import keras
import numpy as np
import tensorflow as tf

from panet_tf.models.dense_detection_selector import DenseDetectionSelector
from panet_tf.ops.boxes import decode_boxes, pairwise_iou

RNG = np.random.default_rng(0)
IMAGE_SIZES = np.float32([[60, 80], [64, 64]])


def outputs(counts=(60, 20), num_classes=3):
    logits, deltas, anchors = {}, {}, {}
    for level, count in zip(("P3", "P4"), counts):
        logits[level] = RNG.normal(-1, 2, (2, count, num_classes)).astype("float32")
        deltas[level] = RNG.normal(0, 0.2, (2, count, 4)).astype("float32")
        corners = RNG.uniform(0, 40, (count, 2))
        anchors[level] = np.float32(np.hstack([corners, corners + RNG.uniform(15, 30, corners.shape)]))
    return logits, deltas, anchors


def slow(logits, deltas, anchors, image, top_k, threshold, iou, limit):
    """Level by level, pair by pair; then greedy suppression in a loop."""
    pairs = []
    for level in logits:
        scores = 1 / (1 + np.exp(-logits[level][image].astype(float)))
        boxes = np.array(decode_boxes(deltas[level][image], anchors[level]))
        boxes = np.clip(boxes, 0, np.tile(IMAGE_SIZES[image], 2))
        found = [(s, k + 1, boxes[a]) for (a, k), s in np.ndenumerate(scores) if s > threshold]
        pairs += sorted(found, key=lambda pair: -pair[0])[:top_k]
    kept = []
    for score, label, box in sorted(pairs, key=lambda pair: -pair[0]):
        others = [other for _, k, other in kept if k == label]
        if not others or np.max(pairwise_iou(box[None], np.array(others))) <= iou:
            kept.append((score, label, box))
    return kept[:limit]


def test_equals_a_slow_twin_in_both_implementations():
    values = outputs()
    settings = dict(score_threshold=0.3, pre_nms_top_k=40, iou_threshold=0.5, max_detections=30)
    part = keras.saving.deserialize_keras_object(
        keras.saving.serialize_keras_object(DenseDetectionSelector(**settings))
    )
    for jit_compile in (False, True):
        found = tf.function(part, jit_compile=jit_compile)(*values, IMAGE_SIZES)
        for image in range(2):
            wanted = slow(*values, image, 40, 0.3, 0.5, 30)
            number = len(wanted)
            assert 10 < number and found["valid"][image].numpy().tolist() == [i < number for i in range(30)]
            np.testing.assert_allclose(found["scores"][image, :number], [w[0] for w in wanted], atol=1e-6)
            np.testing.assert_array_equal(found["classes"][image, :number], [w[1] for w in wanted])
            np.testing.assert_allclose(found["boxes"][image, :number], [w[2] for w in wanted], atol=1e-3)
            assert not np.any(found["boxes"][image, number:])


def test_defaults_are_the_thesis_s():
    part = DenseDetectionSelector()
    assert (part.score_threshold, part.pre_nms_top_k, part.iou_threshold) == (0.05, 1000, 0.5)
    assert (part.max_detections, part.box_weights, part.max_candidates) == (100, (1, 1, 1, 1), None)


def test_nothing_above_the_threshold_is_nothing_found():
    logits, deltas, anchors = outputs()
    logits = {level: np.full_like(value, -20) for level, value in logits.items()}
    found = DenseDetectionSelector(max_detections=5)(logits, deltas, anchors, IMAGE_SIZES)
    assert found["boxes"].shape == (2, 5, 4)
    assert not any(np.any(value) for value in found.values())


def test_candidates_may_be_limited():
    values = outputs()
    few = DenseDetectionSelector(score_threshold=0.0, max_detections=50, max_candidates=10)(*values, IMAGE_SIZES)
    assert 0 < few["valid"].numpy().sum(axis=1).max() <= 10
