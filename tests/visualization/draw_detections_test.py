"""Whole pictures: what is drawn, what is left out, and which colours."""

import time

import numpy as np
import pytest

from panet_tf.visualization.colors import instance_colors
from panet_tf.visualization.draw_detections import draw_detections

IMAGE = np.full((64, 80, 3), 60, "uint8")
BOXES = np.array([[4, 4, 20, 24], [30, 30, 60, 70], [2, 50, 12, 60]], "float32")


def has(picture, index):
    return (picture == instance_colors([index])[0]).all(-1).any()


def test_the_image_keeps_its_size_and_is_not_changed():
    before = IMAGE.copy()
    picture = draw_detections(IMAGE, {"boxes": BOXES, "scores": np.array([0.9, 0.8, 0.7])})
    assert picture.shape == IMAGE.shape and picture.dtype == np.uint8
    np.testing.assert_array_equal(IMAGE, before)
    assert all(has(picture, index) for index in range(3))


def test_scores_empty_slots_and_the_limit_leave_objects_out_but_not_their_colours():
    scores = np.array([0.3, 0.9, 0.8])
    picture = draw_detections(IMAGE, {"boxes": BOXES, "scores": scores}, score_threshold=0.5, draw_label=False)
    assert [has(picture, index) for index in range(3)] == [False, True, True]
    picture = draw_detections(IMAGE, {"boxes": BOXES, "scores": scores}, max_detections=1, draw_label=False)
    assert [has(picture, index) for index in range(3)] == [False, True, False]
    picture = draw_detections(IMAGE, {"boxes": BOXES, "classes": np.array([1, 1, 0])}, draw_label=False)
    assert [has(picture, index) for index in range(3)] == [True, True, False]


def test_colours_follow_ids_or_classes():
    picture = draw_detections(IMAGE, {"boxes": BOXES[:1], "ids": [41]}, draw_label=False)
    assert has(picture, 41) and not has(picture, 0)
    picture = draw_detections(
        IMAGE, {"boxes": BOXES, "classes": np.array([5, 5, 2])}, color_by="class", draw_label=False
    )
    assert [has(picture, index) for index in (4, 1, 0)] == [True, True, False]


def test_a_slot_of_predict_is_drawn_as_it_is():
    """Masks as probabilities inside boxes, empty slots, names by category: what a training callback holds."""
    categories = ({"id": 3, "name": "cell"},)
    prediction = {
        "boxes": np.concatenate([BOXES, np.zeros((5, 4))]).astype("float32"),
        "scores": np.array([0.9, 0.8, 0.7] + [0] * 5, "float32"),
        "classes": np.array([1, 1, 1] + [0] * 5, "int32"),
        "masks": np.ones((8, 28, 28), "float32"),
    }
    picture = draw_detections(IMAGE, prediction, categories=categories, draw_label=False, draw_box=False)
    changed = (picture != 60).any(-1)
    expected = np.zeros((64, 80), bool)
    for y0, x0, y1, x1 in BOXES.astype(int):
        expected[y0:y1, x0:x1] = True
    np.testing.assert_array_equal(changed, expected)
    assert (draw_detections(IMAGE, prediction, categories=categories) != picture).any()


def test_scaling_keeps_objects_in_place_and_gives_labels_room():
    masks = np.zeros((3, 64, 80), bool)
    for mask, (y0, x0, y1, x1) in zip(masks, BOXES.astype(int)):
        mask[y0:y1, x0:x1] = True
    picture = draw_detections(IMAGE, {"boxes": BOXES, "masks": masks}, scale="auto", draw_label=False, draw_box=False)
    assert picture.shape == (512, 640, 3)
    np.testing.assert_array_equal((picture != 60).any(-1), masks.any(0).repeat(8, 0).repeat(8, 1))
    large = np.zeros((700, 900, 3), "uint8")
    assert draw_detections(large, {"boxes": BOXES}, scale="auto").shape == large.shape


def test_empty_detections_and_grey_or_float_images():
    empty = {"boxes": np.zeros((0, 4)), "scores": [], "classes": [], "masks": [], "names": []}
    np.testing.assert_array_equal(draw_detections(IMAGE, empty), IMAGE)
    np.testing.assert_array_equal(draw_detections(IMAGE[..., 0], empty), IMAGE)
    np.testing.assert_array_equal(draw_detections(IMAGE.astype("float32") + 0.2, empty), IMAGE)


def test_errors_name_what_does_not_fit():
    with pytest.raises(ValueError, match="scores must be one a box, received 2 for 3 boxes"):
        draw_detections(IMAGE, {"boxes": BOXES, "scores": [1, 2]})
    with pytest.raises(ValueError, match="color_by"):
        draw_detections(IMAGE, {"boxes": BOXES}, color_by="name")
    with pytest.raises(ValueError, match=r"received \(64, 80, 4\)"):
        draw_detections(np.zeros((64, 80, 4), "uint8"), {"boxes": BOXES})
    with pytest.raises(ValueError, match="image's size"):
        draw_detections(IMAGE, {"boxes": BOXES, "masks": np.ones((3, 28, 28), bool)})


def test_300_objects_take_a_second_at_most():
    rng = np.random.default_rng(0)
    corners = rng.uniform(0, (480, 650), (300, 2))
    detections = {
        "boxes": np.concatenate([corners, corners + rng.uniform(10, 40, (300, 2))], axis=1),
        "scores": rng.random(300),
        "names": ["nucleus"] * 300,
        "masks": rng.random((300, 28, 28), dtype="float32"),
    }
    start = time.perf_counter()
    draw_detections(np.zeros((520, 696, 3), "uint8"), detections)
    assert time.perf_counter() - start < 1.0  # seconds
