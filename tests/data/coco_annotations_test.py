import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from panet_tf.data.coco_annotations import CocoAnnotations
from panet_tf.data.problem_report import ProblemReport
from tests import tiny_coco
from tests.tiny_coco import annotation, image_entry


def read(folder, *, content=None, categories=None, **parts):
    """Reads a file of the given parts, or of the given text."""
    path, _ = tiny_coco.write(folder, draw=False, **parts)
    if content is not None:
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return CocoAnnotations(path, categories=categories)


def ids(coco, image=0):
    return coco.objects(coco.images[image], height=30, width=40, report=ProblemReport())["id"].tolist()


def test_category_ids_with_gaps_become_classes_in_the_files_order(tmp_path):
    categories = [{"id": 90, "name": "toothbrush"}, {"id": "3", "name": "cat", "keypoints": ["nose", "tail"]}]
    annotations = [annotation(1), annotation(2, category_id=90)]
    coco = read(tmp_path, annotations=annotations, categories=categories)
    assert [c["id"] for c in coco.categories] == [90, 3] and coco.categories[1]["keypoints"] == ["nose", "tail"]
    objects = coco.objects(coco.images[0], height=30, width=40, report=coco.report)
    assert objects["class"].tolist() == [2, 1] and coco.num_keypoints == 2 and objects["keypoints"].shape == (2, 2, 3)
    assert not coco.report.counts


def test_a_list_of_categories_chooses_and_orders_the_classes(tmp_path):
    annotations = [annotation(1), annotation(2, category_id=90)]
    coco = read(tmp_path, annotations=annotations, categories=("toothbrush",))
    assert [c["id"] for c in coco.categories] == [90] and ids(coco) == [2]
    assert coco.report.counts == {("skipped annotation", "category was not asked for"): 1}
    wanted = ({"id": 90, "name": "toothbrush"}, {"id": 7, "name": "dog"}, {"id": 3, "name": "cat"})
    coco = read(tmp_path, annotations=annotations, categories=wanted)
    objects = coco.objects(coco.images[0], height=30, width=40, report=coco.report)
    assert coco.categories == wanted and objects["class"].tolist() == [3, 1]


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        (("toothbruhs",), "no category 'toothbruhs'. Did you mean 'toothbrush'"),
        (({"id": 3, "name": "dog"},), "must share one list .* id 3 is 'dog' in the list received and 'cat'"),
        (({"name": "dog"},), "whole-number id"),
        ((), "one or more"),
        (("cat", "cat"), "each once"),
        ("cat", "tuple of names"),
    ],
)
def test_wrong_lists_of_categories_are_refused(tmp_path, wanted, message):
    with pytest.raises(ValueError, match=message):
        read(tmp_path, categories=wanted)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "an empty file"),
        ("{'images': []}", "not valid JSON: JSONDecodeError"),
        (b"\x89PNG\r\n", "UTF-8"),
        ("[" * 100_000, "not valid JSON: RecursionError"),
        (json.dumps([{"image_id": 1, "category_id": 3, "bbox": [1, 2, 3, 4], "score": 0.5}]), "as results files are"),
        ("3", "none called 'images'"),
        (json.dumps({"images": [], "categories": []}), "none called 'annotations'"),
        (json.dumps({"images": {}, "annotations": []}), "none called 'images'"),
        (json.dumps({"images": [], "annotations": [], "categories": {"1": "cat"}}), "none called 'categories'"),
        (json.dumps({"images": [], "annotations": []}), "needs categories, received none"),
        (json.dumps({"images": [], "annotations": [], "categories": [{"name": "cat"}]}), "whole-number id"),
        (json.dumps({"images": [], "annotations": [], "categories": ["cat"]}), "whole-number id"),
        (
            json.dumps(
                {"images": [], "annotations": [], "categories": [{"id": 1, "name": "a"}, {"id": 1, "name": "b"}]}
            ),
            "category ids must be unique",
        ),
        (json.dumps({"images": [], "annotations": [], "categories": [{"id": 1, "name": "a"}]}), "needs images"),
        (
            json.dumps({"images": [{"id": "x", "file_name": "a"}], "annotations": [], "categories": [{"id": 1}]}),
            "(?s)needs images.*image id is not a whole number: 1\n    a, image x",
        ),
    ],
)
def test_a_file_that_is_useless_as_a_whole_is_refused(tmp_path, content, message):
    with pytest.raises(ValueError, match=message):
        read(tmp_path, content=content)


def test_a_missing_file_is_named_with_its_likely_neighbour(tmp_path):
    (tmp_path / "instances_train.json").write_text("{}")
    with pytest.raises(ValueError, match="there is none at .*Did you mean instances_train.json"):
        CocoAnnotations(tmp_path / "instances_trian.json")
    with pytest.raises(ValueError, match="received the folder"):
        CocoAnnotations(tmp_path)


def test_a_byte_order_mark_is_no_obstacle(tmp_path):
    content = json.dumps({"images": [image_entry(1)], "annotations": [annotation(4)], "categories": [{"id": 3}]})
    coco = read(tmp_path, content=b"\xef\xbb\xbf" + content.encode())
    assert ids(coco) == [4] and coco.categories[0]["name"] == "3"


def test_images_without_id_name_or_size(tmp_path):
    images = [
        image_entry(1),
        {"id": 2, "width": 40, "height": 30},
        image_entry("three"),
        {"id": "4", "file_name": "4.png", "width": 40},
        "five",
        image_entry(1),
    ]
    coco = read(tmp_path, images=images, annotations=[annotation(1), annotation(2, image_id=4)])
    assert [(i["id"], i["height"]) for i in coco.images] == [(1, 30), (4, None)] and ids(coco, 1) == [2]
    assert coco.report.counts == {
        ("skipped image", "image has no file_name"): 2,
        ("skipped image", "image id is not a whole number"): 1,
        ("note", "image without a usable height and width, taken from the file"): 1,
        ("note", "image is listed twice"): 1,
    }


def test_an_id_of_two_images_takes_both_and_their_annotations_out(tmp_path):
    images = [image_entry(1), image_entry(2), image_entry(1, name="other.png")]
    coco = read(tmp_path, images=images, annotations=[annotation(1), annotation(2, image_id=2)])
    assert [i["id"] for i in coco.images] == [2] and ids(coco) == [2]
    rule = "image id is used for different images"
    assert coco.report.counts == {("skipped image", rule): 2, ("skipped annotation", rule): 1}
    assert {p.file for p in coco.report.problems if p.action == "skipped image"} == {"1.png", "other.png"}


def test_annotations_that_belong_nowhere_are_counted_with_their_ids(tmp_path):
    annotations = [
        annotation(1),
        annotation(2, image_id=77),
        annotation(3, leave_out=("image_id",)),
        annotation(4, category_id=55),
        annotation(5, leave_out=("category_id",)),
        "six",
    ]
    coco = read(tmp_path, annotations=annotations)
    assert ids(coco) == [1]
    assert coco.report.counts == {
        ("skipped annotation", "image_id is not among the usable images"): 2,
        ("skipped annotation", "category_id is not among the categories"): 1,
        ("skipped annotation", "no usable category_id"): 1,
        ("skipped annotation", "annotation is not a dict"): 1,
    }
    assert [p.annotation_id for p in coco.report.problems] == [2, 3, 4, 5, None]


def test_annotation_ids_are_made_unique_without_losing_objects(tmp_path):
    moved = annotation(7, bbox=[5, 6, 10, 10])
    annotations = [annotation(7), annotation(7), moved, annotation(8, leave_out=("id",)), annotation(2)]
    coco = read(tmp_path, annotations=annotations)
    assert ids(coco) == [7, 8, 9, 2]
    assert coco.report.counts == {
        ("skipped annotation", "exact copy of another annotation"): 1,
        ("repaired", "annotation id is used twice, the second gets a new one"): 1,
        ("repaired", "annotation without a usable id gets a new one"): 1,
    }
    assert coco.report.problems[1].annotation_id == 7 and coco.report.problems[1].detail == "now 8"


junk = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-(2**70), 2**70), st.floats(), st.text(max_size=5)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=5), inner, max_size=2)),
    max_leaves=5,
)


@settings(deadline=None, max_examples=50)
@given(
    image=st.dictionaries(st.sampled_from(["id", "file_name", "height", "width"]), junk),
    changes=st.dictionaries(st.sampled_from(["id", "image_id", "category_id"]), junk),
    others=st.lists(junk, max_size=3),
)
def test_no_junk_among_images_and_annotations_raises_or_touches_the_good_ones(tmp_path_factory, image, changes, others):
    folder = tmp_path_factory.mktemp("junk")
    images = [image_entry(1), *others, {**image_entry(2), **image}]
    annotations = [annotation(5), *others, annotation(7, **changes), {**annotation(9, bbox=[4, 6, 10, 11])}]
    try:
        coco = read(folder, images=images, annotations=annotations)
    except ValueError as e:  # no image is left where both have the id 1
        assert "image id is used for different images" in str(e)
        return
    assert all(isinstance(i["id"], int) and isinstance(i["file_name"], str) for i in coco.images)
    if coco.images[0]["id"] == 1:
        found = ids(coco)
        assert found[0] == 5 and len(set(found)) == len(found) >= 2
