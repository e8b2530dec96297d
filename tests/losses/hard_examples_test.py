import functools

import numpy as np
import pytest
import tensorflow as tf

from panet_tf.losses.hard_examples import hard_examples


def slow_iou(a, b):
    height, width = (max(0.0, min(a[i + 2], b[i + 2]) - max(a[i], b[i])) for i in (0, 1))
    areas = [(box[2] - box[0]) * (box[3] - box[1]) for box in (a, b)]
    return height * width / (sum(areas) - height * width)


def slow(losses, classes, boxes, count, threshold, candidates, ratio, fill):
    """One image: greedy suppression in a loop, then a loop that fills the batch."""
    usable = np.flatnonzero(classes >= 0)
    order = usable[np.argsort(-losses[usable], kind="stable")]
    if ratio is None:
        order = order[:candidates]
    else:
        places = round(candidates / (1 + ratio))
        objects, rest = order[classes[order] > 0][:places], order[classes[order] == 0][: candidates - places]
        order = np.concatenate([objects, rest])
        order = order[np.argsort(-losses[order], kind="stable")]
    kept = []
    for i in order:
        if all(slow_iou(boxes[i], boxes[j]) <= threshold for j in kept):
            kept.append(i)
    if ratio is None:
        chosen = kept[:count]
    else:
        objects = [i for i in kept if classes[i] > 0][: round(count / (1 + ratio))]
        allowed = count - len(objects)
        if not fill:
            allowed = min(ratio * len(objects), allowed)
        rest = [i for i in kept if classes[i] == 0][:allowed]
        chosen = objects + rest
    return np.where(np.isin(np.arange(len(classes)), chosen), classes, -1)


def examples(seed, anchors=120):
    rng = np.random.default_rng(seed)
    tops = rng.uniform(0, 60, (anchors, 2))
    boxes = np.concatenate([tops, tops + rng.uniform(8, 30, (anchors, 2))], axis=1).astype("float32")
    classes = rng.choice([-1, 0, 0, 0, 0, 1, 2], (3, anchors)).astype("int32")
    classes[2] = np.minimum(classes[2], 0)  # an image without objects
    return rng.random((3, anchors)).astype("float32"), classes, boxes


EVERY = ((0, 16, 60), (1, 8, 20), (2, 64, 500))  # seed, count, candidates


@pytest.mark.parametrize(
    ("ratio", "fill", "threshold", "cases", "jit_compile"),
    [
        (None, True, 0.5, EVERY, False),
        (None, False, 0.7, EVERY, False),
        (3, False, 0.5, EVERY, False),
        (3, False, 0.7, EVERY, False),
        (3, True, 0.5, EVERY, False),
        (1, True, 0.7, EVERY, False),
        (3, True, 0.5, EVERY[1:2], True),
    ],
)
def test_equals_a_slow_twin(ratio, fill, threshold, cases, jit_compile):
    for seed, count, candidates in cases:
        losses, classes, boxes = examples(seed)
        run = functools.partial(
            hard_examples,
            count=count,
            iou_threshold=threshold,
            candidates=candidates,
            negatives_per_positive=ratio,
            fill=fill,
        )
        found = (tf.function(run, jit_compile=True) if jit_compile else run)(losses, classes, boxes).numpy()
        for i in range(3):
            wanted = slow(losses[i], classes[i], boxes, count, threshold, candidates, ratio, fill)
            np.testing.assert_array_equal(found[i], wanted)
        assert (found[0] >= 0).sum() > 4  # the loops are not both empty


def test_backgrounds_fill_the_batch_or_keep_to_the_ratio():
    corners = np.float32([[20 * i, 0] for i in range(40)])
    boxes = np.hstack([corners, corners + 10])  # none overlaps another
    classes = np.int32([[1, 2] + [0] * 38, [0] * 40, [1] * 20 + [0] * 20])
    losses = np.float32([np.arange(40)] * 3)  # backgrounds come last and have the highest
    common = {"count": 16, "iou_threshold": 0.5, "candidates": 40}
    for settings, wanted in (
        ({"negatives_per_positive": None}, [(0, 16), (0, 16), (0, 16)]),
        ({"negatives_per_positive": 3}, [(2, 14), (0, 16), (4, 12)]),
        ({"negatives_per_positive": 3, "fill": False}, [(2, 6), (0, 0), (4, 12)]),
    ):
        found = hard_examples(losses, classes, boxes, **common, **settings).numpy()
        assert [(np.sum(row > 0), np.sum(row == 0)) for row in found] == wanted


def test_no_gradient_passes_and_what_cannot_be_is_refused():
    losses, classes, boxes = map(tf.constant, examples(0))
    with tf.GradientTape() as tape:
        tape.watch(losses)
        chosen = hard_examples(losses, classes, boxes, count=4, iou_threshold=0.5)
        total = tf.reduce_sum(tf.where(chosen >= 0, losses, 0.0))
    np.testing.assert_array_equal(tape.gradient(total, losses), (chosen.numpy() >= 0).astype("float32"))
    for arguments in ({"count": 0}, {"count": 8, "candidates": 4}, {"count": 8, "negatives_per_positive": 0}):
        with pytest.raises(ValueError, match="received"):
            hard_examples(losses, classes, boxes, iou_threshold=0.5, **arguments)
