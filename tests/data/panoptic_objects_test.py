"""From segments to instances, one image at a time, against masks of full size."""

import collections

import numpy as np
from pycocotools import mask as mask_utils

from panet_tf.data.panoptic_objects import assign_segments, clean_segments, thing_objects

CATEGORY_OF = {92: 1, 1: 2, 27: 3, 5: 0}  # grass, person, tie; one that is left out
IS_THING = np.array([False, False, True, True])
THING_CLASS = np.array([0, 0, 1, 2])


def segment(identity, category_id, **more):
    return {"id": identity, "category_id": category_id, **more}


def problems():
    """A function as `add`, and the rules it was called with."""
    rules = collections.Counter()
    return (lambda action, rule, detail, identity: rules.update([rule])), rules


def random_map(seed):
    """int (12, 15), blocks of ids 0, 300, 11, 12, 70000 and 77."""
    blocks = np.random.default_rng(seed).integers(0, 6, (4, 5))
    return np.array([0, 300, 11, 12, 70000, 77])[blocks].repeat(3, 0).repeat(3, 1)


def test_segments_are_numbered_things_first():
    id_map = random_map(1)
    add, rules = problems()
    given = [segment(300, 92), segment(12, 1, iscrowd="1"), segment(11, 27, area=1), segment(70000, 5)]
    segment_map, values = clean_segments(given, id_map, category_of=CATEGORY_OF, is_thing=IS_THING, add=add)
    assert values["id"].tolist() == [12, 11, 300] and values["category"].tolist() == [2, 3, 1]
    assert values["is_crowd"].tolist() == [True, False, False]
    for number, identity in enumerate(values["id"], start=1):
        mask = id_map == identity
        np.testing.assert_array_equal(segment_map == number, mask)
        y, x = np.nonzero(mask)
        assert values["area"][number - 1] == mask.sum()
        assert values["box"][number - 1].tolist() == [y.min(), x.min(), y.max() + 1, x.max() + 1]
    # 70000 is of a category that is left out, 77 is of nobody; both are void, and only the second is worth a word.
    np.testing.assert_array_equal(segment_map == 0, np.isin(id_map, [0, 70000, 77]))
    assert rules == {
        "area differs from the map's, the map's is used": 1,
        "the map has ids that no segment has, taken as void": 1,
    }


def test_what_is_wrong_with_segments_is_said_and_left_out():
    id_map = np.full((4, 4), 11)
    add, rules = problems()
    given = [
        "junk",
        segment(0, 1),
        segment(2**24, 1),
        segment(11, 1),
        segment(11, 27),
        segment(12, 99),
        segment(13, 1, iscrowd=2),
        segment(14, 27),
    ]
    segment_map, values = clean_segments(given, id_map, category_of=CATEGORY_OF, is_thing=IS_THING, add=add)
    assert values["id"].tolist() == [11] and (segment_map == 1).all()
    assert rules == {
        "segment without a usable id": 3,
        "segment id is used twice in an image, the first counts": 1,
        "unknown category_id": 1,
        "iscrowd is not 0 or 1": 1,
        "segment has no pixel": 1,
    }
    empty, nothing = clean_segments([], id_map, category_of=CATEGORY_OF, is_thing=IS_THING, add=add)
    assert not empty.any() and nothing["box"].shape == (0, 4) and nothing["id"].shape == (0,)


def test_instances_are_the_things_pixels():
    id_map = random_map(1)
    given = [segment(300, 92), segment(12, 1, iscrowd=1), segment(11, 27)]
    segment_map, segments = clean_segments(
        given, id_map, category_of=CATEGORY_OF, is_thing=IS_THING, add=lambda *_: None
    )
    objects = thing_objects(segment_map, segments, THING_CLASS, first_id=40)
    assert objects["id"].tolist() == [40, 41] and objects["class"].tolist() == [1, 2]
    assert objects["segment"].tolist() == [1, 2] and objects["is_crowd"].tolist() == [True, False]
    for i, identity in enumerate((12, 11)):
        mask = id_map == identity
        counts = {"size": [12, 15], "counts": objects["segmentation"][i].encode()}
        np.testing.assert_array_equal(mask_utils.decode(counts), mask)
        np.testing.assert_array_equal(
            objects["exact_box"][i], mask_utils.toBbox(mask_utils.encode(np.asfortranarray(mask, "uint8")))
        )
        assert objects["area"][i] == objects["exact_area"][i] == mask.sum()


def objects_of(masks, classes, crowds):
    codes = [mask_utils.encode(np.asfortranarray(mask, "uint8"))["counts"].decode() for mask in masks]
    return {
        "id": np.arange(len(masks)),
        "class": np.array(classes),
        "is_crowd": np.array(crowds, bool),
        "segmentation": codes,
    }


def test_instances_of_another_file_take_the_segments_that_lie_in_them():
    """The greatest overlap goes first, each once; another class, a crowd, or half a segment is no match."""
    ids = np.zeros((20, 20), int)
    ids[2:12, 2:12], ids[12:18, 2:12], ids[2:10, 14:20], ids[14:18, 14:18] = 11, 12, 13, 14
    given = [segment(11, 1), segment(12, 1), segment(13, 27), segment(14, 27, iscrowd=1)]
    segment_map, segments = clean_segments(given, ids, category_of=CATEGORY_OF, is_thing=IS_THING, add=lambda *_: None)
    both = np.isin(ids, [11, 12])
    half = (ids == 13) & (np.arange(20) < 17)
    masks = [both, ids == 11, half, ids == 14, ids == 12]
    add, rules = problems()
    found = assign_segments(
        objects_of(masks, [1, 1, 2, 2, 2], [0, 0, 0, 0, 0]), segment_map, segments, THING_CLASS, add
    )
    # The first instance holds segments 11 and 12; the second is 11 exactly, so 12 is left for the first.
    assert segments["id"][found["segment"][:2] - 1].tolist() == [12, 11]
    assert found["segment"][2:].tolist() == [0, 0, 0]  # exactly half; a crowd for none; of another class
    assert rules == {"segments of things that no instance of the other file shows": 1}
    found = assign_segments(objects_of(masks[3:4], [2], [1]), segment_map, segments, THING_CLASS, add)
    assert segments["id"][found["segment"] - 1].tolist() == [14]
    assert assign_segments(objects_of([], [], []), segment_map, segments, THING_CLASS, add)["segment"].shape == (0,)
