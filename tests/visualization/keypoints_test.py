import numpy as np
import pytest

from panet_tf.visualization.draw_detections import draw_detections
from panet_tf.visualization.keypoints import draw_keypoints

RED = np.uint8([[255, 0, 0]])
POINTS = np.float32([[[20, 10, 2], [20, 50, 2], [40, 30, 0]]])


def test_dots_lie_at_their_points_and_limbs_between():
    image = draw_keypoints(np.full((60, 80, 3), 200, "uint8"), POINTS, RED, skeletons=[[[1, 2], [2, 3], [9, 1]]])
    np.testing.assert_array_equal(image[[20, 20], [10, 49]], [[255, 0, 0]] * 2)
    assert image[19:21, 30, 0].min() > 200 and image[19:21, 30, 1:].max() < 60  # the middle of the limb
    assert (image[39:42, 29:32] == 200).all()  # nobody labelled the third
    changed = (image != 200).any(-1)
    assert changed[16:25, 5:56].sum() == changed.sum() > 150
    rows = np.flatnonzero(changed[:, 30])
    assert 4 <= len(rows) <= 5 and abs(rows.mean() - 19.5) <= 0.5  # two pixels of limb with their rim, around 20.0


def test_without_a_skeleton_there_are_dots():
    image = draw_keypoints(np.full((60, 80, 3), 200, "uint8"), POINTS, RED, radius=2)
    assert (image[:, 30] == 200).all() and tuple(image[20, 10]) == (255, 0, 0)


@pytest.mark.parametrize("points", [[[5, 5, 0.01]], [[np.nan, 5, 1]], [[np.inf, 1, 2]], [[1e9, 1e9, 2]], [[-80, 5, 1]]])
def test_what_cannot_be_drawn_is_not(points):
    image = np.full((40, 40, 3), 9, "uint8")
    assert (draw_keypoints(image, np.float32([points]), RED, skeletons=[[[1, 1]]]) == 9).all()


def test_detections_have_the_skeletons_of_their_categories():
    image = np.full((60, 80, 3), 200, "uint8")
    categories = [{"id": 1, "name": "bar", "skeleton": [[1, 2]]}, {"id": 2, "name": "dots"}]
    found = {"boxes": [[0, 0, 59, 79]], "classes": [1], "keypoints": POINTS}
    options = {"draw_box": False, "draw_label": False, "categories": categories}
    with_limb = draw_detections(image, found, **options)
    dots = draw_detections(image, {**found, "classes": [2]}, **options)
    told = draw_detections(image, {**found, "classes": [2], "skeletons": [[[1, 2]]]}, **options)
    assert (dots[:, 30] == 200).all() and (with_limb[:, 30] != 200).any()
    np.testing.assert_array_equal(told, with_limb)
    larger = draw_detections(image, found, scale=2, **options)
    assert (larger[40, 60] != 200).any() and (image == 200).all()
    hidden = draw_detections(image, found, keypoint_threshold=3, **options)
    assert (hidden == 200).all()
    empty = {"boxes": np.zeros((0, 4)), "keypoints": np.zeros((0, 3, 3))}
    assert (draw_detections(image, empty, **options) == 200).all()
    with pytest.raises(ValueError, match="keypoints must be one a box"):
        draw_detections(image, {**found, "keypoints": POINTS[:0]})
