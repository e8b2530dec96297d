import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from pycocotools import mask as mask_utils
from pycocotools.coco import COCO

from panet_tf.data.mask_grids import sample_mask
from panet_tf.data.segmentations import encode_segmentation, rle_runs, sample_rle

masks = hnp.arrays(
    np.uint8, hnp.array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=30), elements=st.integers(0, 1)
)


def encode(mask):
    return mask_utils.encode(np.asfortranarray(mask))


def sample_slowly(mask, box, size):
    """Each sample is the pixel that its centre lies in, the nearest one outside of the image."""
    y0, x0, y1, x1 = box
    crop = np.zeros((size, size), np.uint8)
    for i in range(size):
        for j in range(size):
            y, x = y0 + (i + 0.5) / size * (y1 - y0), x0 + (j + 0.5) / size * (x1 - x0)
            row = min(max(int(np.floor(y)), 0), mask.shape[0] - 1)
            column = min(max(int(np.floor(x)), 0), mask.shape[1] - 1)
            crop[i, j] = mask[row, column]
    return crop


def runs_of(mask):
    """Lengths of equal values in column-major order, background first."""
    flat = mask.flatten(order="F")
    lengths = np.diff(np.concatenate([[0], np.flatnonzero(np.diff(flat)) + 1, [flat.size]]))
    return np.concatenate([[0], lengths]) if flat[0] else lengths


@settings(deadline=None, max_examples=50)
@given(mask=masks)
def test_runs_are_those_of_the_mask(mask):
    np.testing.assert_array_equal(rle_runs(encode(mask)["counts"]), runs_of(mask))


def test_runs_of_a_large_image_with_negative_differences():
    mask = np.zeros((3000, 2000), np.uint8)
    mask[5:2900, 10:1990] = 1
    mask[100, 700:] = 0
    np.testing.assert_array_equal(rle_runs(encode(mask)["counts"].decode()), runs_of(mask))


@settings(deadline=None, max_examples=50)
@given(mask=masks, data=st.data())
def test_a_crop_is_the_mask_at_the_centres_of_the_grid(mask, data):
    height, width = mask.shape
    y0, y1 = sorted(data.draw(st.tuples(*[st.integers(-2, height + 2)] * 2)))
    x0, x1 = sorted(data.draw(st.tuples(*[st.floats(-2, width + 2, width=32)] * 2)))
    box, size = (y0, x0, y1, x1), data.draw(st.sampled_from([1, 7, 16]))
    np.testing.assert_array_equal(sample_rle(encode(mask), box, size), sample_slowly(mask, box, size))


@settings(deadline=None, max_examples=50)
@given(mask=masks)
def test_runs_and_decoded_masks_give_the_same_grid(mask):
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    if not rows.size:
        return
    box = (rows[0], columns[0], rows[-1] + 1, columns[-1] + 1)
    np.testing.assert_array_equal(sample_rle(encode(mask), box), sample_mask(mask, box))


@pytest.mark.parametrize(
    "segmentation",
    [
        [[4, 6, 14, 6.5, 14, 16, 4, 16], [20.2, 2, 30, 2, 25, 12.7]],
        [[-3, -3, 50, 2, 20, 40]],  # partly outside
        {"size": [30, 40], "counts": [35, 5, 25, 5, 1130]},
        {"size": [30, 40], "counts": mask_utils.frPyObjects([[1, 1, 9, 1, 9, 20]], 30, 40)[0]["counts"].decode()},
    ],
    ids=["polygons", "outside", "uncompressed", "compressed"],
)
def test_segmentations_become_the_masks_that_pycocotools_makes(segmentation):
    coco = COCO()
    coco.imgs = {1: {"height": 30, "width": 40}}
    expected = coco.annToMask({"image_id": 1, "segmentation": segmentation})
    rle, left_out = encode_segmentation(segmentation, 30, 40)
    assert expected.any() and left_out == 0 and isinstance(rle["counts"], str)
    np.testing.assert_array_equal(mask_utils.decode(rle), expected)


def test_a_flat_polygon_is_read_and_parts_of_two_points_are_left_out_and_counted():
    square = [4, 6, 14, 6, 14, 16, 4, 16]
    expected = encode_segmentation([square], 30, 40)
    assert encode_segmentation(square, 30, 40) == expected
    assert encode_segmentation([[1, 1, 5, 5], square, []], 30, 40) == (expected[0], 2)


GOOD = mask_utils.frPyObjects([[1, 1, 9, 1, 9, 20]], 30, 40)[0]["counts"].decode()


@pytest.mark.parametrize(
    ("segmentation", "rule"),
    [
        ([[1, 1, 5, 5]], "fewer than three points"),
        ([[1, 1, 5, 5, 7]], "pairs"),
        ([[1, 1, 5, float("nan"), 7, 8]], "not finite"),
        ([[1, 1, 5, "x", 7, 8]], "not numbers"),
        ([[1, 1, 5, {}, 7, 8]], "not numbers"),
        ([[[1, 1], [5, 1], [5, 5]]], "pairs"),
        ([[1, 1, 1e9, 5, 7, 8]], "farther than one image side"),
        ([None], "pairs|not numbers"),
        ("a string", "neither polygons nor run lengths"),
        ([], "neither polygons nor run lengths"),
        ({"size": [40, 30], "counts": GOOD}, "RLE size"),
        ({"size": None, "counts": GOOD}, "RLE size"),
        ({"counts": GOOD}, "RLE size"),
        ({"size": [30, 40], "counts": [35, 5, 25]}, "do not add up"),
        ({"size": [30, 40], "counts": [1300, -100]}, "do not add up"),
        ({"size": [30, 40], "counts": [1.5, 1198.5]}, "whole numbers"),
        ({"size": [30, 40], "counts": GOOD[:-2]}, "do not add up|ends within"),
        ({"size": [30, 40], "counts": GOOD[:2] + "\u00ff" + GOOD[3:]}, "outside the code"),
        ({"size": [30, 40], "counts": GOOD[:-1] + "Z"}, "ends within"),
        ({"size": [30, 40], "counts": "Z" * 40 + "0"}, "more than 12"),
        ({"size": [30, 40], "counts": ""}, "empty"),
        ({"size": [30, 40], "counts": 7}, "neither a list nor a string"),
    ],
)
def test_what_no_mask_can_be_made_of_is_named(segmentation, rule):
    with pytest.raises(ValueError, match=rule):
        encode_segmentation(segmentation, 30, 40)


def test_numbers_in_quotes_are_read_in_polygons_and_runs():
    plain = encode_segmentation([[4, 6, 14, 6, 14, 16]], 30, 40)
    assert encode_segmentation([["4", "6", "14", "6", "14", "16"]], 30, 40) == plain
    runs = {"size": ["30", "40"], "counts": ["35", "5", "1160"]}
    assert mask_utils.area(encode_segmentation(runs, 30, 40)[0]) == 5
