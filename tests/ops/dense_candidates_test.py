import numpy as np
import pytest
import tensorflow as tf

from panet_tf.ops.boxes import clip_boxes, decode_boxes
from panet_tf.ops.dense_candidates import dense_candidates

RNG = np.random.default_rng(0)
SIZES = {"P3": 40, "P4": 12, "P5": 3}
NUM_CLASSES = 5
IMAGE_SIZES = np.float32([[50, 70], [64, 40]])


def outputs(ties):
    logits = {level: RNG.normal(-2, 1.5, (2, a, NUM_CLASSES)).astype("float32") for level, a in SIZES.items()}
    if ties:
        logits = {level: np.round(value) for level, value in logits.items()}
    deltas = {level: RNG.normal(0, 0.5, (2, a, 4)).astype("float32") for level, a in SIZES.items()}
    corners = {level: RNG.uniform(0, 50, (a, 2)) for level, a in SIZES.items()}
    anchors = {level: np.float32(np.hstack([c, c + RNG.uniform(5, 30, c.shape)])) for level, c in corners.items()}
    return logits, deltas, anchors


def slow(logits, deltas, anchors, image_sizes, threshold, top_k):
    """One pair of an anchor and a class at a time."""
    found = []
    for image in range(2):
        rows = []
        for level in logits:
            pairs = sorted(
                (-logits[level][image, a, k], a, k) for a in range(SIZES[level]) for k in range(NUM_CLASSES)
            )[:top_k]
            for negative, a, k in pairs:
                score = 1 / (1 + np.exp(float(negative)))
                box = decode_boxes(deltas[level][image, a], anchors[level][a])
                box = clip_boxes(box[None], image_sizes[image]).numpy()[0]
                usable = score > threshold and box[2] > box[0] and box[3] > box[1]
                rows.append((*box, score, k + 1) if usable else (0, 0, 0, 0, 0, 0))
        found.append(rows)
    return np.array(found)


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("top_k", [7, 30, 500])
def test_equals_a_slow_twin(ties, top_k):
    values = outputs(ties)
    boxes, scores, classes = dense_candidates(*values, IMAGE_SIZES, score_threshold=0.2, pre_nms_top_k=top_k)
    wanted = slow(*values, IMAGE_SIZES, 0.2, top_k)
    assert boxes.shape == (2, sum(min(top_k, a * NUM_CLASSES) for a in SIZES.values()), 4)
    np.testing.assert_allclose(boxes, wanted[..., :4], atol=1e-4)
    np.testing.assert_allclose(scores, wanted[..., 4], atol=1e-6)
    np.testing.assert_array_equal(classes, wanted[..., 5])


def test_sizes_that_are_not_known_while_tracing_give_padding():
    logits, deltas, anchors = outputs(False)
    spec = {level: tf.TensorSpec((None, None, NUM_CLASSES)) for level in SIZES}
    boxes = {level: tf.TensorSpec((None, None, 4)) for level in SIZES}

    @tf.function(input_signature=(spec, boxes, {level: tf.TensorSpec((None, 4)) for level in SIZES}))
    def run(logits, deltas, anchors):
        return dense_candidates(logits, deltas, anchors, IMAGE_SIZES, score_threshold=0.2, pre_nms_top_k=50)

    known = dense_candidates(logits, deltas, anchors, IMAGE_SIZES, score_threshold=0.2, pre_nms_top_k=50)
    for padded, exact in zip(run(logits, deltas, anchors), known):
        assert padded.shape[1] == 150
        np.testing.assert_allclose(np.asarray(padded)[:, :115], exact, atol=1e-4)  # 50, 50 and 15 pairs
        assert not np.any(np.asarray(padded)[:, 115:])


def test_what_is_not_finite_is_no_candidate():
    logits, deltas, anchors = outputs(False)
    logits["P4"][0, 0] = np.nan
    deltas["P3"][1] = np.inf
    boxes, scores, classes = dense_candidates(logits, deltas, anchors, np.float32([[99, 99]] * 2), score_threshold=0.0)
    assert np.isfinite(boxes).all() and np.isfinite(scores).all()
    level3 = slice(0, SIZES["P3"] * NUM_CLASSES)
    assert not np.any(classes[1, level3]) and np.all(classes[0, level3])
    level4 = classes[0, level3.stop : level3.stop + SIZES["P4"] * NUM_CLASSES]
    assert np.sum(level4 == 0) == NUM_CLASSES


def test_boxes_that_clip_to_nothing_leave_their_places_empty():
    anchors = {"P3": np.float32([[0, 0, 20, 20], [50, 0, 80, 20], [40, 60, 60, 80], [20, 30, 40, 60]])}
    logits, deltas = {"P3": np.full((1, 4, 1), 3, "f")}, {"P3": np.zeros((1, 4, 4), "f")}
    boxes, scores, classes = dense_candidates(logits, deltas, anchors, np.float32([[50, 60]]))
    assert classes[0].numpy().tolist() == [1, 0, 0, 1] and (scores[0].numpy() > 0).tolist() == [
        True,
        False,
        False,
        True,
    ]
    np.testing.assert_allclose(boxes[0], [[0, 0, 20, 20], [0] * 4, [0] * 4, [20, 30, 40, 60]], atol=1e-4)
