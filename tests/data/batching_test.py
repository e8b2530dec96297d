import numpy as np
import pytest
import tensorflow as tf

from panet_tf.data.batching import (
    check_canvases,
    count_batches,
    group_by_canvas,
    pad_instances,
    pad_to_canvas,
    padding_example,
    random_subset,
)


def test_canvases_are_multiples_of_the_stride():
    assert check_canvases([[64, 96]]) == ((64, 96),)
    with pytest.raises(
        ValueError,
        match=r"images must have sides that are multiples of 32 \(the stride of level 5\), received \(800, 1333\)",
    ):
        check_canvases(((800, 1344), (800, 1333)))


@pytest.mark.parametrize("canvases", [(), ((64,),), ((0, 64),), ((64, -32),), (64, 96)])
def test_canvases_that_are_none(canvases):
    with pytest.raises(ValueError, match="received"):
        check_canvases(canvases)


def group(canvases, batch_size, endless):
    records = tf.data.Dataset.from_tensor_slices(
        {"canvas": tf.constant(canvases, tf.int64), "number": tf.range(len(canvases))}
    )
    padding = None if endless else lambda canvas: {"canvas": canvas, "number": tf.constant(-1)}
    return [(int(r["canvas"]), int(r["number"])) for r in group_by_canvas(records, batch_size, 3, padding)]


def test_batches_share_a_canvas_and_the_last_ones_are_filled():
    order = group([0, 1, 0, 2, 1, 0, 1, 0], batch_size=2, endless=False)
    assert order[:6] == [(0, 0), (0, 2), (1, 1), (1, 4), (0, 5), (0, 7)]
    assert sorted(order[6:]) == [(1, -1), (1, 6), (2, -1), (2, 3)]
    assert all(one[0] == other[0] for one, other in zip(order[::2], order[1::2]))
    records = tf.data.Dataset.from_tensor_slices({"canvas": tf.constant([0, 1, 0, 2, 1, 0, 1, 0], tf.int64)})
    assert count_batches(records, 2, 3) == len(order) // 2 == 5
    assert count_batches(records.take(0), 2, 3) == 0


def test_no_more_than_fits_is_kept_and_every_instance_has_its_chance():
    kept = np.array([random_subset(tf.constant(20), 5, (0, n)).numpy() for n in range(400)])
    assert (np.diff(kept, axis=1) > 0).all()
    counts = np.bincount(kept.ravel(), minlength=20)
    assert (abs(counts - 100) < 45).all()  # five standard deviations
    np.testing.assert_array_equal(random_subset(tf.constant(3), 5, (0, 0)), [0, 1, 2])


def test_slots_are_filled_with_zeros():
    padded = pad_instances({"boxes": tf.ones((2, 4)), "is_crowd": tf.ones((2,), tf.bool)}, 5)
    np.testing.assert_array_equal(padded["boxes"], [[1] * 4] * 2 + [[0] * 4] * 3)
    np.testing.assert_array_equal(padded["is_crowd"], [True, True, False, False, False])


def test_padding_lies_at_the_bottom_and_the_right():
    padded = pad_to_canvas(tf.ones((3, 5, 3)), tf.constant((32, 64))).numpy()
    assert padded.shape == (32, 64, 3) and padded[:3, :5].all() and padded.sum() == 45


@pytest.mark.parametrize("keypoints", [None, 17])
def test_a_padding_image_is_harmless(keypoints):
    example = padding_example(tf.constant((32, 64)), 4, keypoints)
    assert int(example["image_ids"]) == -1
    assert ("keypoints" in example) == (keypoints is not None)
    assert not np.any(example["classes"]) and not np.any(example["images"])
    assert np.all(example["scales"] == 1.0)
