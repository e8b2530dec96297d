"""The numbering of panoptic categories, thing classes and semantic classes, on lists whose answer is plain."""

import numpy as np
import pytest

from panet_tf.ops.semantic_classes import CONTEXTS, semantic_classes, thing_categories

# Ids with gaps, things and stuff mixed: nothing may lean on COCO's order.
MIXED = tuple(
    {"id": number, "name": name, "isthing": thing}
    for number, name, thing in [(7, "road", 0), (24, "person", 1), (23, "sky", 0), (26, "car", 1), (90, "bus", True)]
)


def test_the_detector_has_the_things_in_their_order():
    assert [category["name"] for category in thing_categories(MIXED)] == ["person", "car", "bus"]
    classes = semantic_classes(MIXED)
    assert classes.thing_category.tolist() == [0, 2, 4, 5]
    assert classes.thing_class.tolist() == [0, 0, 1, 0, 2, 3]
    assert classes.is_thing.tolist() == [False, False, True, False, True, True]
    assert classes.is_stuff.tolist() == [False, True, False, True, False, False]


@pytest.mark.parametrize(
    "context, of_category, stuff_category",
    [
        ("all", [255, 0, 1, 2, 3, 4], [1, 0, 3, 0, 0]),
        ("stuff_ignore", [255, 0, 255, 1, 255, 255], [1, 3]),
        ("stuff_plus_thing", [255, 1, 0, 2, 0, 0], [0, 1, 3]),
    ],
)
def test_classes_of_each_context(context, of_category, stuff_category):
    classes = semantic_classes(MIXED, context)
    assert classes.of_category.tolist() == of_category
    assert classes.stuff_category.tolist() == stuff_category
    assert classes.num_classes == len(stuff_category)
    assert classes.of_category.dtype == classes.stuff_category.dtype == np.int32


def test_coco_has_the_papers_counts():
    coco = [{"id": i, "name": str(i), "isthing": int(i <= 80)} for i in range(1, 134)]
    assert [semantic_classes(coco, context).num_classes for context in CONTEXTS] == [133, 53, 54]


def test_what_is_refused():
    with pytest.raises(ValueError, match="isthing"):
        semantic_classes([{"id": 1, "name": "person"}])
    with pytest.raises(ValueError, match="no categories"):
        semantic_classes([])
    with pytest.raises(ValueError, match="context"):
        semantic_classes(MIXED, "stuff")
    many = [{"id": i, "name": str(i), "isthing": 0} for i in range(256)]
    with pytest.raises(ValueError, match="at most 255"):
        semantic_classes(many)
    assert semantic_classes([{**item, "isthing": 1} for item in many[1:]], "stuff_plus_thing").num_classes == 1
