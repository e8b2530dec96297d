"""What is done about each fault of an annotation, and that its neighbours are not touched."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pycocotools import mask as mask_utils

from panet_tf.data.coco_objects import clean_objects
from panet_tf.data.problem_report import ProblemReport
from tests.tiny_coco import annotation

SQUARE = [6, 4, 16, 14]  # of `annotation`, yxyx
ONES = np.ones((112, 112), np.uint8)


def clean(*annotations, num_keypoints=0):
    report = ProblemReport()
    objects = clean_objects(
        annotations,
        image={"id": 1, "file_name": "1.png"},
        height=30,
        width=40,
        class_of={3: 1, 90: 2},
        num_keypoints=num_keypoints,
        report=report,
    )
    return objects, report


def test_a_good_annotation_passes_without_a_word():
    objects, report = clean(annotation(5), annotation(6, category_id="90", iscrowd=1, bbox=["4", "6", "10", "10"]))
    assert not report.counts
    np.testing.assert_array_equal(objects["id"], [5, 6])
    np.testing.assert_array_equal(objects["box"], [SQUARE, SQUARE])
    np.testing.assert_array_equal(objects["class"], [1, 2])
    np.testing.assert_array_equal(objects["is_crowd"], [False, True])
    np.testing.assert_array_equal(objects["exact_box"], [[4, 6, 10, 10]] * 2)
    np.testing.assert_array_equal(np.unpackbits(objects["mask"], axis=-1), [ONES, ONES])
    dtypes = {"id": np.int64, "box": np.float32, "class": np.int32, "is_crowd": np.bool_, "area": np.float32}
    assert {key: objects[key].dtype for key in dtypes} == dtypes


def test_no_annotations_give_empty_arrays_of_the_right_shape():
    objects, report = clean(num_keypoints=17)
    assert not report.counts
    shapes = {key: value.shape for key, value in objects.items()}
    assert shapes["box"] == (0, 4) and shapes["mask"] == (0, 112, 14) and shapes["keypoints"] == (0, 17, 3)


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"segmentation": [[1, 1, 5, 5]]}, "polygon has fewer than three points"),
        ({"segmentation": {"size": [40, 30], "counts": [1200]}}, "RLE size is not the image's (height, width)"),
        ({"segmentation": float("nan")}, "segmentation is neither polygons nor run lengths"),
        ({"segmentation": [], "bbox": [4, 6, 0, 10]}, "bbox has no area, and no segmentation"),
        ({"segmentation": [], "bbox": [40, 6, 5, 5]}, "bbox lies outside of the image, and no segmentation"),
        ({"segmentation": [], "bbox": [1, 2, 3]}, "bbox is not four finite numbers, and no segmentation"),
        ({"segmentation": [], "bbox": [1, float("inf"), 3, 3]}, "bbox is not four finite numbers, and no segmentation"),
        ({"segmentation": [], "bbox": "4 6 10 10"}, "bbox is not four finite numbers, and no segmentation"),
        ({"segmentation": None, "bbox": None}, "no bbox, and no segmentation"),
        (
            {"segmentation": [[4, 6, 4.1, 6, 4.1, 6.1]], "bbox": None},
            "no bbox, and a segmentation without a pixel",
        ),
        ({"iscrowd": 2}, "iscrowd is not 0 or 1"),
        ({"iscrowd": "yes"}, "iscrowd is not 0 or 1"),
    ],
)
def test_an_unusable_annotation_is_skipped_and_named_alone(changes, rule):
    objects, report = clean(annotation(5), annotation(7, **changes), annotation(9))
    np.testing.assert_array_equal(objects["id"], [5, 9])
    assert report.counts == {("skipped annotation", rule): 1}
    assert report.problems[0][2:5] == ("1.png", 1, 7)


def test_a_missing_box_is_the_masks_tight_box():
    for changes in ({"leave_out": ("bbox",)}, {"bbox": None}, {"bbox": []}):
        objects, report = clean(annotation(5, segmentation=[[10, 10, 20, 10, 20, 15]], **changes))
        np.testing.assert_array_equal(objects["exact_box"], [mask_utils.toBbox(decoded(objects))])
        assert report.counts == {("note", "no bbox, the mask's tight box is used"): 1}


def decoded(objects):
    return {"size": [30, 40], "counts": objects["segmentation"][0]}


@pytest.mark.parametrize(
    ("bbox", "problem"),
    [
        ([4, 6, 14, 16], "bbox and segmentation disagree badly"),  # corners instead of a size
        ([6, 4, 10, 10], None),  # y before x: IoU 0.47, but no edge is more than 2 pixels off
        ([24, 16, 10, 10], "bbox and segmentation disagree badly"),
        ([4, 6, 10, -1], "bbox has no area"),
        ([50, 6, 10, 10], "bbox lies outside of the image"),
        ([4, 6, "wide", 10], "bbox is not four finite numbers"),
        ([3, 5, 12, 12], None),
    ],
)
def test_a_box_far_from_its_mask_is_replaced_and_a_near_one_kept(bbox, problem):
    objects, report = clean(annotation(5, bbox=bbox))
    kept = np.array([bbox[1], bbox[0], bbox[1] + bbox[3], bbox[0] + bbox[2]]) if problem is None else SQUARE
    np.testing.assert_array_equal(objects["box"], [kept])
    expected = {("repaired", f"{problem}, the mask's tight box is used"): 1} if problem else {}
    assert report.counts == expected


def test_a_box_partly_outside_is_clipped_for_training_and_kept_for_evaluation():
    objects, report = clean(annotation(5, bbox=[-5, 20, 20, 20], segmentation=[[-5, 20, 15, 20, 15, 40, -5, 40]]))
    np.testing.assert_array_equal(objects["box"], [[20, 0, 30, 15]])
    np.testing.assert_array_equal(objects["exact_box"], [[-5, 20, 20, 20]])
    np.testing.assert_array_equal(np.unpackbits(objects["mask"], axis=-1), [ONES])
    assert report.counts == {("repaired", "bbox clipped to the image"): 1}


@pytest.mark.parametrize("changes", [{"leave_out": ("segmentation",)}, {"segmentation": []}, {"segmentation": [[]]}])
def test_a_box_without_a_mask_has_a_full_mask(changes):
    objects, report = clean(annotation(5, **changes))
    np.testing.assert_array_equal(np.unpackbits(objects["mask"], axis=-1), [ONES])
    mask = mask_utils.decode(decoded(objects))
    assert mask.sum() == 100 and mask[6:16, 4:14].all()
    assert report.counts == {("note", "no segmentation, the mask is the full box"): 1}


def test_a_mask_without_a_pixel_trains_as_its_box_and_evaluates_as_it_is():
    objects, report = clean(annotation(5, segmentation=[[4, 6, 4.1, 6, 4.1, 6.1]], bbox=[4, 6, 0.1, 0.1]))
    np.testing.assert_array_equal(np.unpackbits(objects["mask"], axis=-1), [ONES])
    assert mask_utils.area(decoded(objects)) == 0
    assert report.counts == {("note", "segmentation covers no pixel, the mask to train on is the full box"): 1}


@pytest.mark.parametrize(
    ("changes", "area", "action"),
    [
        ({"leave_out": ("area",)}, 100, "note"),
        ({"area": 0}, 100, "repaired"),
        ({"area": float("nan")}, 100, "repaired"),
        ({"area": "87.5"}, 87.5, None),
        ({"leave_out": ("area", "segmentation"), "bbox": [4, 6, 2.5, 2]}, 5, "note"),
    ],
)
def test_a_missing_area_is_the_masks(changes, area, action):
    objects, report = clean(annotation(5, **changes))
    assert objects["area"] == objects["exact_area"] == [area]
    assert [a for a, rule in report.counts if "area" in rule] == ([action] if action else [])


def test_missing_iscrowd_is_zero_and_noted():
    objects, report = clean(annotation(5, leave_out=("iscrowd",)))
    assert not objects["is_crowd"][0] and report.counts == {("note", "no iscrowd, taken as 0"): 1}


def test_a_part_of_two_points_is_left_out_of_its_polygons():
    objects, report = clean(annotation(5, segmentation=[*annotation(5)["segmentation"], [1, 1, 3, 3]]))
    assert mask_utils.area(decoded(objects)) == 100
    assert report.counts == {("repaired", "polygon parts of fewer than three points left out"): 1}


def test_keypoints_become_y_x_visibility_at_pixel_centres():
    given = [5, 7, 2, 0, 0, 0, 11, 12, 1]
    objects, report = clean(annotation(5, keypoints=given), annotation(6), num_keypoints=3)
    expected = [[7.5, 5.5, 2], [0, 0, 0], [12.5, 11.5, 1]]
    np.testing.assert_array_equal(objects["keypoints"], [expected, np.zeros((3, 3))])
    assert not report.counts
    for broken in ([1, 2], [1, 2, None], "x", [1, 2, 2] * 4):
        objects, report = clean(annotation(5, keypoints=broken), num_keypoints=3)
        assert not objects["keypoints"].any() and report.counts == {("repaired", "keypoints unusable, left out"): 1}


numbers = st.one_of(st.integers(-(2**70), 2**70), st.floats(), st.sampled_from([0, 1, 3, 10, 1e308, -1e308, "7", "x"]))
junk = st.recursive(
    st.one_of(numbers, st.none(), st.booleans(), st.text(max_size=5)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=8),
        st.lists(numbers, min_size=6, max_size=8),
        st.dictionaries(st.sampled_from(["size", "counts", "x"]), inner, max_size=2),
        st.fixed_dictionaries({"size": st.just([30, 40]), "counts": st.one_of(inner, st.text(max_size=9))}),
    ),
    max_leaves=12,
)


@settings(deadline=None, max_examples=50)
@given(changes=st.dictionaries(st.sampled_from(["segmentation", "bbox", "area", "iscrowd", "keypoints"]), junk))
def test_no_junk_in_an_annotation_raises_or_touches_its_neighbours(changes):
    objects, _ = clean(annotation(5), annotation(7, **changes), annotation(9), num_keypoints=2)
    ids = objects["id"].tolist()
    assert ids[0] == 5 and ids[-1] == 9 and len(ids) <= 3
    assert np.isfinite(objects["box"]).all() and np.isfinite(objects["exact_area"]).all()
    height_width = objects["box"][:, 2:] - objects["box"][:, :2]
    assert (height_width > 0).all() and (objects["box"] >= 0).all() and (objects["box"] <= [30, 40, 30, 40]).all()
