"""Proposals against torchvision's, from the same outputs of an RPN, and at the ends of their arguments."""

import numpy as np
import pytest
import tensorflow as tf

from panet_tf.ops.anchors import anchors
from panet_tf.ops.boxes import pairwise_iou
from panet_tf.ops.proposals import select_proposals
from tests.golden_input import resized

SIZES = {"P2": (8, 10), "P3": (4, 5), "P4": (2, 3)}


def random_outputs(seed=0, batch=2):
    rng = np.random.default_rng(seed)
    grid = anchors(SIZES, sizes=(16, 32, 64))
    objectness = {k: tf.constant(rng.normal(size=(batch, len(v))), tf.float32) for k, v in grid.items()}
    deltas = {k: tf.constant(rng.normal(0, 0.3, (batch, len(v), 4)), tf.float32) for k, v in grid.items()}
    return objectness, deltas, grid


def compiled(implementation, **kwargs):
    return tf.function(
        lambda o, d, a, s: select_proposals(o, d, a, s, implementation=implementation, **kwargs),
        jit_compile=implementation == "matrix",
        autograph=False,
    )


@pytest.mark.golden
@pytest.mark.parametrize("implementation", ["native", "matrix"])
def test_proposals_equal_torchvision(golden, implementation):
    values = golden("maskrcnn")
    padded = np.array(values["network_input_shape_nchw"][2:])
    shapes = {f"P{n + 2}": tuple(values[f"feature_{i}_shape"][2:]) for n, i in enumerate((0, 1, 2, 3, "pool"))}
    strides = {level: tuple(int(s) for s in padded // shape) for level, shape in shapes.items()}
    grid = anchors(shapes, sizes=(32, 64, 128, 256, 512), offset=0.0, rounding=True, strides=strides)
    objectness, deltas = {}, {}
    for n, level in enumerate(grid):
        objectness[level] = tf.constant(values[f"rpn_objectness_{n}"].transpose(0, 2, 3, 1).reshape(1, -1))
        raw = values[f"rpn_deltas_{n}"]  # (1, A * 4, h, w), dx, dy, dw, dh
        raw = raw.reshape(1, 3, 4, *raw.shape[2:]).transpose(0, 3, 4, 1, 2).reshape(1, -1, 4)
        deltas[level] = tf.constant(raw[..., [1, 0, 3, 2]])
    run = compiled(implementation, pre_nms_top_k=1000, post_nms_top_k=1000, iou_threshold=0.7, min_size=1e-3)
    boxes, _, valid = run(objectness, deltas, grid, tf.constant([resized(values)], tf.float32))
    found, expected = boxes[0].numpy()[valid[0].numpy()], values["proposals"][:, [1, 0, 3, 2]]
    assert len(found) == len(expected)
    # Float error may swap equal scores: every box of theirs must be among ours.
    distance = np.abs(found[:, None] - expected[None]).max(-1)
    assert (distance.min(0) < 0.05).mean() > 0.995  # pixels
    assert (np.abs(found - expected).max(-1) < 0.05).mean() > 0.98  # and nearly all in the same place


def test_both_implementations_agree():
    inputs = (*random_outputs(), tf.constant([[32.0, 40.0], [25.0, 31.0]]))
    kwargs = {"pre_nms_top_k": 50, "post_nms_top_k": 40, "iou_threshold": 0.5, "min_size": 3.0}
    native, matrix = (compiled(name, **kwargs)(*inputs) for name in ("native", "matrix"))
    np.testing.assert_allclose(native[0], matrix[0], atol=1e-4)
    np.testing.assert_array_equal(native[1], matrix[1])
    np.testing.assert_array_equal(native[2], matrix[2])


def test_proposals_are_sorted_inside_the_image_and_apart_within_a_level():
    objectness, deltas, grid = random_outputs()
    sizes = tf.constant([[32.0, 40.0], [20.0, 31.0]])
    for level in grid:  # one level at a time, so that every pair must be apart
        boxes, scores, valid = select_proposals(
            {level: objectness[level]},
            {level: deltas[level]},
            {level: grid[level]},
            sizes,
            pre_nms_top_k=100,
            post_nms_top_k=60,
            iou_threshold=0.4,
            min_size=2.0,
        )
        for image in range(2):
            kept, kept_scores = boxes[image].numpy()[valid[image]], scores[image].numpy()[valid[image]]
            assert 0 < len(kept) and (np.diff(kept_scores) <= 0).all()
            assert kept.min() >= 0 and (kept[:, 2:] <= sizes[image].numpy()).all()
            assert (kept[:, 2:] - kept[:, :2] >= 2.0).all()
            assert (np.triu(pairwise_iou(kept, kept).numpy(), 1) <= 0.4 + 1e-6).all()


def test_levels_do_not_suppress_each_other_and_share_the_places():
    box = tf.constant([[0.0, 0.0, 8.0, 8.0]])
    grid = {"P2": box, "P3": box}
    objectness = {"P2": tf.constant([[1.0]]), "P3": tf.constant([[2.0]])}
    deltas = {"P2": tf.zeros((1, 1, 4)), "P3": tf.zeros((1, 1, 4))}
    kwargs = {"pre_nms_top_k": 5, "post_nms_top_k": 3}
    boxes, scores, valid = select_proposals(objectness, deltas, grid, [[8.0, 8.0]], **kwargs)
    assert valid.numpy().tolist() == [[True, True, False]]
    assert scores.numpy()[0, :2].tolist() == [2.0, 1.0] and scores.numpy()[0, 2] < -1e8
    np.testing.assert_array_equal(boxes[0, 2], np.zeros(4))
    equal = {"P2": tf.constant([[2.0]]), "P3": tf.constant([[2.0]])}
    wide = {"P2": box, "P3": box / 2}
    boxes, _, _ = select_proposals(equal, deltas, wide, [[8.0, 8.0]], **kwargs)
    assert boxes.numpy()[0, :2, 3].tolist() == [8, 4]  # equal scores: the finer level first


def test_only_the_best_of_a_level_enter_suppression():
    grid = {"P2": tf.constant([[0.0, 0, 8, 8], [0, 20, 8, 28], [20, 0, 28, 8]])}
    outputs = {"P2": tf.constant([[0.1, 0.3, 0.2]])}, {"P2": tf.zeros((1, 3, 4))}
    boxes, _, valid = select_proposals(*outputs, grid, [[30.0, 30.0]], pre_nms_top_k=2, post_nms_top_k=3)
    assert valid.numpy().tolist() == [[True, True, False]]
    np.testing.assert_allclose(boxes[0, :2], [[0, 20, 8, 28], [20, 0, 28, 8]], atol=1e-5)


@pytest.mark.parametrize("implementation", ["native", "matrix"])
def test_broken_outputs_never_become_proposals(implementation):
    objectness, deltas, grid = random_outputs(batch=1)
    objectness["P2"] = tf.fill(objectness["P2"].shape, np.float32(np.nan))
    deltas["P3"] = tf.fill(deltas["P3"].shape, np.float32(np.nan))
    deltas["P4"] = tf.fill(deltas["P4"].shape, np.float32(np.inf))
    run = compiled(implementation, pre_nms_top_k=10, post_nms_top_k=10)
    boxes, scores, valid = run(objectness, deltas, grid, tf.constant([[32.0, 40.0]]))
    assert not valid.numpy().any() and not boxes.numpy().any() and np.isfinite(scores).all()
    # Images that only pad a batch have size 0: nothing either.
    _, _, valid = run(*random_outputs(batch=1), tf.zeros((1, 2)))
    assert not valid.numpy().any()


def test_proposals_are_constants():
    objectness, deltas, grid = random_outputs(batch=1)
    with tf.GradientTape() as tape:
        tape.watch([objectness, deltas])
        boxes, scores, _ = select_proposals(
            objectness, deltas, grid, [[32.0, 40.0]], pre_nms_top_k=10, post_nms_top_k=10
        )
        loss = tf.reduce_sum(boxes) + tf.reduce_sum(scores)
    assert all(g is None for g in tf.nest.flatten(tape.gradient(loss, [objectness, deltas])))
