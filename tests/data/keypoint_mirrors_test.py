import numpy as np
import pytest

from panet_tf.data.keypoint_mirrors import TOP_BOTTOM, mirror_table, mirrored_keypoints

COCO = (
    "nose left_eye right_eye left_ear right_ear left_shoulder right_shoulder left_elbow right_elbow left_wrist "
    "right_wrist left_hip right_hip left_knee right_knee left_ankle right_ankle"
).split()


@pytest.mark.parametrize(
    ("names", "words", "expected"),
    [
        (COCO, None, [0, 2, 1, 4, 3, 6, 5, 8, 7, 10, 9, 12, 11, 14, 13, 16, 15]),
        (["top", "right", "bottom", "left"], None, [0, 3, 2, 1]),
        (["top", "right", "bottom", "left"], TOP_BOTTOM, [2, 1, 0, 3]),
        (["L-Eye", "R-Eye", "eye of the left", "eye of the Right"], None, [1, 0, 3, 2]),
        (["l_hand", "r_foot", "bright", "left"], None, [0, 1, 2, 3]),  # no counterpart, or no word of its own
    ],
)
def test_names_decide(names, words, expected):
    order = mirrored_keypoints(names, words) if words else mirrored_keypoints(names)
    assert order == expected
    assert [order[j] for j in order] == list(range(len(names)))  # twice is nothing


def test_each_class_has_its_own_order():
    names = (["left", "right"], [], ["tail", "left", "right"])
    categories = [{"id": 1, "keypoints": names[0]}, {"id": 9}, {"id": 5, "keypoints": names[2]}]
    np.testing.assert_array_equal(mirror_table(categories), [[0, 1, 2], [1, 0, 2], [0, 1, 2], [0, 2, 1]])


@pytest.mark.parametrize("categories", [[{"id": 1}], [{"id": 1, "keypoints": ["nose", "tail"]}]])
def test_nothing_changes_its_name(categories):
    assert mirror_table(categories) is None
