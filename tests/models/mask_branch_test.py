import numpy as np

from panet_tf.models.mask_branch import positive_rows


def test_the_mask_head_sees_objects_only_where_there_are_any():
    labels = np.zeros((3, 16), "int32")
    labels[0, :3] = [2, 1, 2]  # of four places
    labels[1, :4] = 1
    rows, weights = positive_rows(labels, 4)
    np.testing.assert_array_equal(rows, [[0, 1, 2, 0], [0, 1, 2, 3], [0, 0, 0, 0]])
    np.testing.assert_array_equal(weights, [[1, 1, 1, 0], [1, 1, 1, 1], [0, 0, 0, 0]])
