import numpy as np
import pytest
import tensorflow as tf

from panet_tf.ops.soft_nms import soft_nms
from tests.ops.voting_twins import clusters, slow_iou


def slow_soft_nms(boxes, scores, classes, method, threshold, sigma, min_score):
    """The paper's Figure 2 for each class by itself, in float64; pairs of index and score, best first."""
    found = []
    for k in sorted(set(classes)):
        left = {int(i): float(scores[i]) for i in np.flatnonzero(classes == k)}
        while left:
            best = max(left, key=lambda i: (left[i], -i))
            score = left.pop(best)
            if score <= min_score:
                break
            found.append((best, score))
            for i in left:
                overlap = slow_iou(boxes[best].astype(float), boxes[i].astype(float))
                if method == "gaussian":
                    left[i] *= np.exp(-overlap * overlap / sigma)
                elif overlap > threshold:
                    left[i] *= 0 if method == "hard" else 1 - overlap
    return sorted(found, key=lambda pair: -pair[1])


@pytest.mark.parametrize("method", ["linear", "gaussian", "hard"])
def test_equals_a_slow_twin_eagerly_and_compiled(method):
    rng = np.random.default_rng(len(method))
    batch = [clusters(rng) for _ in range(2)]
    boxes, scores, classes = (np.stack(part) for part in zip(*batch))
    settings = dict(method=method, iou_threshold=0.4, sigma=0.3, min_score=0.06, max_outputs=25)
    compiled = tf.function(soft_nms, jit_compile=True)
    for run in (soft_nms, lambda *args, **kwargs: compiled(*map(tf.constant, args), **kwargs)):
        indices, found, valid = run(boxes, scores, classes, **settings)
        for i in range(2):
            expected = slow_soft_nms(boxes[i], scores[i], classes[i], method, 0.4, 0.3, 0.06)[:25]
            assert np.sum(valid[i]) == len(expected)
            np.testing.assert_array_equal(indices[i][: len(expected)], [index for index, _ in expected])
            np.testing.assert_allclose(found[i][: len(expected)], [score for _, score in expected], rtol=1e-4)
            assert not np.any(found[i][len(expected) :])


def test_nothing_and_one_class():
    indices, scores, valid = soft_nms(np.zeros((3, 0, 4)), np.zeros((3, 0)), max_outputs=2)
    assert indices.shape == (3, 2) and not np.any(valid) and not np.any(scores)
    boxes = [[0, 0, 10, 10], [0, 0, 10, 9], [50, 50, 60, 60]]
    assert soft_nms(boxes, [0.5, 0.9, 0.1], method="hard", max_outputs=3)[0].numpy().tolist() == [1, 2, 0]
    assert soft_nms(boxes, [0.5, 0.9, 0.1], [1, 2, 1], method="hard", max_outputs=3)[0].numpy().tolist() == [1, 0, 2]


def test_refuses_unknown_methods():
    with pytest.raises(ValueError, match="method must be one of .* received 'softer' and 0.5"):
        soft_nms(np.zeros((1, 4)), np.zeros(1), method="softer")
