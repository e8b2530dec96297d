import numpy as np
import pytest
import tensorflow as tf

from panet_tf.models.anchor_sampler import AnchorSampler
from panet_tf.ops.boxes import decode_boxes

ANCHORS = tf.constant([[0, 0, 10, 10], [0, 0, 10, 8], [0, 0, 10, 5], [20, 20, 30, 30], [40, 40, 50, 50]], tf.float32)


def sample(boxes, classes, is_crowd=None, image_size=None, **kwargs):
    boxes = tf.constant([boxes], tf.float32)
    is_crowd = tf.constant([is_crowd or [False] * len(classes)])
    kwargs = {"count": 4, **kwargs}
    sizes = None if image_size is None else tf.constant([image_size], tf.float32)
    return AnchorSampler(**kwargs)(ANCHORS, boxes, tf.constant([classes]), is_crowd, tf.fill((1, 5), 0.5), sizes)


def labels_by_anchor(sampled):
    pairs = zip(sampled["indices"].numpy()[0], sampled["labels"].numpy()[0])
    return {int(index): int(label) for index, label in pairs if label >= 0}


def test_thresholds_part_the_anchors():
    # IoUs with the object are 1, 0.8, 0.5, 0 and 0: two objects, one ignored, two background.
    assert labels_by_anchor(sample([[0, 0, 10, 10]], [1])) == {0: 1, 1: 1, 3: 0, 4: 0}


def test_an_object_that_no_anchor_fits_still_gets_its_best():
    sampled = sample([[40, 40, 44, 44]], [2])
    assert labels_by_anchor(sampled)[4] == 1
    row = sampled["labels"].numpy()[0].tolist().index(1)
    np.testing.assert_allclose(decode_boxes(sampled["box_deltas"][0, row], ANCHORS[4]), [40, 40, 44, 44], atol=1e-3)
    assert 1 not in labels_by_anchor(sample([[40, 40, 44, 44]], [2], force_matches=False)).values()


def test_anchors_in_a_crowd_are_ignored_and_never_matched():
    found = labels_by_anchor(sample([[18, 18, 52, 52]], [1], is_crowd=[True]))
    assert found == {0: 0, 1: 0, 2: 0}
    assert labels_by_anchor(sample([[18, 18, 52, 52]], [1], is_crowd=[True], crowd_overlap=None))[3] == 0


def test_no_objects_give_background_and_zero_targets():
    sampled = sample([[0, 0, 0, 0]], [0])
    assert set(labels_by_anchor(sampled).values()) == {0}
    np.testing.assert_array_equal(sampled["box_deltas"], np.zeros((1, 4, 4)))


def test_positives_take_at_most_their_share():
    assert sorted(labels_by_anchor(sample([[0, 0, 10, 10]], [1], positive_fraction=0.25)).values()) == [0, 0, 1]


@pytest.mark.parametrize("straddle, kept", [(None, {0, 1, 3, 4}), (0, {0, 1, 3}), (9, {0, 1, 3}), (10, {0, 1, 3, 4})])
def test_anchors_that_leave_the_image_are_left_out(straddle, kept):
    sampled = sample([[0, 0, 10, 10]], [1], image_size=(40, 40), straddle=straddle)
    assert set(labels_by_anchor(sampled)) == kept


def test_an_anchor_that_leaves_the_image_is_no_objects_best():
    sampled = sample([[38, 38, 50, 50]], [1], image_size=(45, 50), straddle=0)
    assert set(labels_by_anchor(sampled).values()) == {0}
    with pytest.raises(ValueError, match="straddle=0 needs image_sizes"):
        sample([[0, 0, 10, 10]], [1], straddle=0)
