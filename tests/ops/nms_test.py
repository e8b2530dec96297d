"""Both implementations against a greedy loop and torchvision, with ties, chains and empty groups."""

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from panet_tf.ops.nms import nms


def slow_iou(a, b):
    height = max(min(a[2], b[2]) - max(a[0], b[0]), 0)
    width = max(min(a[3], b[3]) - max(a[1], b[1]), 0)
    union = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - height * width
    return height * width / union if union > 0 else 0


def slow_nms(boxes, scores, iou_threshold, max_outputs, score_threshold=-np.inf):
    """The greedy definition."""
    order = [i for i in sorted(range(len(scores)), key=lambda i: (-scores[i], i)) if scores[i] > score_threshold]
    kept = []
    for i in order:
        if len(kept) < max_outputs and all(slow_iou(boxes[i], boxes[j]) <= iou_threshold for j in kept):
            kept.append(i)
    return kept


def run(implementation, boxes, scores, **kwargs):
    """Kept indices of each group, compiled where that is possible."""
    function = tf.function(
        lambda b, s: nms(b, s, implementation=implementation, **kwargs),
        jit_compile=implementation == "matrix",
        autograph=False,
    )
    indices, valid = (v.numpy().reshape(-1, v.shape[-1]) for v in function(tf.constant(boxes), tf.constant(scores)))
    assert (np.diff(valid.astype(int), axis=-1) <= 0).all() and (indices[~valid] == 0).all()
    return [row[keep].tolist() for row, keep in zip(indices, valid)]


FUNCTIONS = {
    name: tf.function(
        lambda boxes, scores, name=name: nms(
            boxes, scores, iou_threshold=0.5, max_outputs=6, score_threshold=0.15, implementation=name
        ),
        jit_compile=name == "matrix",
        autograph=False,
    )
    for name in ("native", "matrix")
}


@settings(deadline=None, max_examples=50)
@given(seed=st.integers(0, 2**32 - 1))
def test_both_are_greedy_suppression_on_boxes_with_ties(seed):
    rng = np.random.default_rng(seed)
    corners = rng.integers(0, 6, (3, 15, 2))
    # Whole coordinates, tenths of score: equal boxes, equal scores, IoU exactly at the threshold, boxes without area.
    boxes = np.concatenate([corners, corners + rng.integers(0, 5, (3, 15, 2))], axis=-1).astype(np.float32)
    scores = (rng.integers(0, 6, (3, 15)) / 10).astype(np.float32)
    scores[rng.random((3, 15)) < 0.1] = -np.inf
    for name, function in FUNCTIONS.items():
        indices, valid = function(boxes, scores)
        for group in range(3):
            expected = slow_nms(boxes[group].astype(float), scores[group], 0.5, 6, 0.15)
            assert indices[group].numpy()[valid[group].numpy()].tolist() == expected, name


@pytest.mark.golden
@pytest.mark.parametrize("implementation", ["native", "matrix"])
def test_suppression_equals_torchvision(golden, implementation):
    values = golden("ops")
    boxes, scores = values["nms_boxes"][:, [1, 0, 3, 2]], values["nms_scores"]
    [kept] = run(implementation, boxes, scores, iou_threshold=0.5, max_outputs=300)
    assert kept == values["nms_keep_05"].tolist()


@pytest.mark.parametrize("implementation", ["native", "matrix"])
def test_a_chain_is_settled_link_by_link(implementation):
    # Each box overlaps its neighbours only, with IoU 0.5 or more: every second one stays.
    start = np.arange(40, dtype=np.float32) * 3
    boxes = np.stack(
        [start * 0, start, start * 0 + 10, start + 10], axis=-1
    )  # IoU 7 / 13 with the next, 4 / 16 after it
    [kept] = run(implementation, boxes, -start, iou_threshold=0.5, max_outputs=40)
    assert kept == list(range(0, 40, 2))


@pytest.mark.parametrize("implementation", ["native", "matrix"])
def test_suppression_is_above_the_threshold_only(implementation):
    boxes = np.array([[0, 0, 2, 2], [0, 0, 2, 1]], np.float32)  # IoU exactly 0.5
    assert run(implementation, boxes, np.array([1, 0.5], np.float32), iou_threshold=0.5, max_outputs=2) == [[0, 1]]
    assert run(implementation, boxes, np.array([1, 0.5], np.float32), iou_threshold=0.49, max_outputs=2) == [[0]]


@pytest.mark.parametrize("implementation", ["native", "matrix"])
def test_padding_and_empty_groups_are_never_kept(implementation):
    boxes = np.tile(np.array([[0, 0, 2, 2], [5, 5, 7, 7], [9, 9, 10, 10]], np.float32), (2, 2, 1, 1))
    scores = np.full((2, 2, 3), -np.inf, np.float32)
    scores[0, 1] = [np.nan, 0.5, -3.0]
    assert run(implementation, boxes, scores, iou_threshold=0.5, max_outputs=5) == [[], [1, 2], [], []]


@pytest.mark.parametrize("implementation", ["native", "matrix"])
def test_leading_dimensions_may_be_unknown_while_tracing(implementation):
    @tf.function(
        input_signature=[tf.TensorSpec((None, 3, 8, 4)), tf.TensorSpec((None, 3, 8))],
        jit_compile=implementation == "matrix",
        autograph=False,
    )
    def run_batches(boxes, scores):
        result = nms(boxes, scores, iou_threshold=0.5, max_outputs=4, implementation=implementation)
        assert result[0].shape.as_list() == [None, 3, 4]
        return result

    for batch in (1, 2):
        assert run_batches(tf.random.uniform((batch, 3, 8, 4)), tf.random.uniform((batch, 3, 8)))[0].shape == (
            batch,
            3,
            4,
        )


def test_the_implementation_follows_the_compiler():
    boxes, scores = tf.random.uniform((2, 8, 4)), tf.random.uniform((2, 8))

    def operations(jit_compile):
        function = tf.function(
            lambda b, s: nms(b, s, iou_threshold=0.5, max_outputs=4), jit_compile=jit_compile, autograph=False
        )
        graph = function.get_concrete_function(boxes, scores).graph.as_graph_def()
        return {node.op for function in graph.library.function for node in function.node_def} | {
            n.op for n in graph.node
        }

    assert "NonMaxSuppressionV4" in operations(None) and "NonMaxSuppressionV4" not in operations(True)


def test_thresholds_outside_their_range_are_refused():
    with pytest.raises(ValueError, match="0..1.*1.5"):
        nms(tf.zeros((1, 4)), tf.zeros((1,)), iou_threshold=1.5, max_outputs=1)
