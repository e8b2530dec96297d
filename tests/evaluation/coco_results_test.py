import json

import numpy as np

from panet_tf.evaluation.coco_results import coco_results
from panet_tf.evaluation.rle import decode, masks_to_rle

BOXES = np.float32([[1, 2, 4, 7], [0, 0, 3, 3]])


def results(**arguments):
    given = {"boxes": BOXES, "scores": np.float32([0.9, 0.5]), "category_ids": np.int64([18, 3])}
    return coco_results(image_id=np.int64(42), size=(6, 8), **{**given, **arguments})


def test_boxes_are_x_y_width_height_and_everything_is_plain():
    found = results()
    assert [result["bbox"] for result in found] == [[2, 1, 5, 3], [0, 0, 3, 3]]
    assert [result["category_id"] for result in found] == [18, 3]
    assert json.loads(json.dumps(found)) == found and found[0]["image_id"] == 42
    assert "segmentation" not in found[0]


def test_masks_are_pasted_or_taken_as_they_are():
    masks = np.ones((2, 28, 28), np.float32)
    pasted = results(masks=masks)
    expected = np.zeros((6, 8), bool)
    expected[1:4, 2:7] = True
    np.testing.assert_array_equal(decode(pasted[0]["segmentation"]), expected)
    assert results(masks=masks_to_rle(masks, BOXES, (6, 8))) == pasted
    assert not decode(results(masks=0.4 * masks)[0]["segmentation"]).any()
    assert decode(results(masks=0.4 * masks, threshold=0.3)[0]["segmentation"]).any()


def test_nothing_found_is_an_empty_list():
    nothing = {"boxes": np.zeros((0, 4)), "scores": np.zeros(0), "category_ids": ()}
    assert results(**nothing) == results(**nothing, masks=np.zeros((0, 28, 28))) == []
