import numpy as np
import pytest

from panet_tf.ops.box_voting import box_voting
from tests.ops.voting_twins import clusters, slow_iou


@pytest.mark.parametrize("score", ["kept", "mean", "iou_mean"])
def test_equals_a_slow_twin(score):
    rng = np.random.default_rng(3)
    candidates, weights, kinds = clusters(rng)
    weights[5] = 0  # does not vote
    boxes, scores, classes = candidates[:9], weights[:9], kinds[:9]
    found, found_scores = box_voting(boxes, scores, classes, candidates, weights, kinds, iou_threshold=0.5, score=score)
    voters = 0
    for i in range(9):
        around = [(slow_iou(boxes[i], box), j) for j, box in enumerate(candidates) if kinds[j] == classes[i]]
        around = [(overlap, j) for overlap, j in around if overlap >= 0.5 and weights[j] > 0]
        voters += len(around)
        rows = [j for _, j in around]
        if not rows:
            np.testing.assert_array_equal(found[i], boxes[i])
            continue
        mean = np.average(candidates[rows], axis=0, weights=weights[rows])
        np.testing.assert_allclose(found[i], mean, rtol=1e-5)
        expected = {"kept": scores[i], "mean": np.mean(weights[rows])}
        expected["iou_mean"] = np.average(weights[rows], weights=[overlap for overlap, _ in around])
        np.testing.assert_allclose(found_scores[i], expected[score], rtol=1e-5)
    assert voters > 15


def test_the_threshold_itself_votes_and_batches_work():
    boxes, candidates = [[[0.0, 0, 10, 10]]], [[[0.0, 0, 10, 10], [0, 0, 10, 5], [0, 0, 10, 4]]]
    found, scores = box_voting(
        boxes, [[0.5]], np.array([[1]]), candidates, [[0.5] * 3], np.ones((1, 3), int), iou_threshold=0.5
    )
    np.testing.assert_allclose(found[0, 0], [0, 0, 10, 7.5])
    empty, _ = box_voting(np.zeros((0, 4)), np.zeros(0), np.zeros(0, int), candidates[0], [0.5] * 3, np.ones(3, int))
    assert empty.shape == (0, 4)
    with pytest.raises(ValueError, match="score must be one of"):
        box_voting(boxes, [[0.5]], np.array([[1]]), candidates, [[0.5] * 3], np.ones((1, 3), int), score="best")
