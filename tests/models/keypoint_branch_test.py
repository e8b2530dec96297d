"""Which regions a keypoint head trains on, with a head that only counts."""

import types

import numpy as np
import tensorflow as tf

from panet_tf.models import keypoint_branch


def test_only_regions_with_a_visible_keypoint_train():
    """Of four positives the second has no label and the third does not hold its point: the others fill the places."""
    seen = {}

    def head(features, training):
        seen["rois"] = features
        return tf.zeros((1, 4, 8, 8, 1))

    head.num_keypoints = 1
    model = types.SimpleNamespace(
        keypoint_head=head,
        keypoint_pooling=None,
        pool=lambda levels, rois, pooling, training: rois,
        roi_sampler=types.SimpleNamespace(num_positive=4),
        given_normalizers=lambda **_: {},
    )
    sample = {
        "rois": np.float32([[[0, 0, 8, 8], [1, 1, 9, 9], [20, 20, 30, 30], [2, 2, 10, 10], [0, 0, 8, 8]]]),
        "classes": np.int32([[1, 2, 1, 1, 0]]),
        "matched": np.int32([[0, 1, 0, 0, 0]]),
    }
    keypoints = np.float32([[[[4, 4, 2]], [[5, 5, 0]]]])
    total, count = keypoint_branch.losses(model, {}, sample, {"keypoints": keypoints}, True)["keypoint_loss"]
    np.testing.assert_array_equal(seen["rois"][0, :, 0], [0, 2, 0, 2])
    assert float(count) == 2
    np.testing.assert_allclose(total, 2 * np.log(64), rtol=1e-6)
