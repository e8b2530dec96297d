"""The lists of a COCO JSON by themselves; tests of whole files are those of `CocoAnnotations`."""

import pytest

from panet_tf.data.coco_lists import choose_categories, load_lists, read_categories, read_images
from panet_tf.data.problem_report import ProblemReport

CATS = {3: {"id": 3, "name": "cat"}, 9: {"id": 9, "name": "dog"}}


@pytest.mark.parametrize(
    "content, message",
    [
        (b"", "an empty file"),
        (b"\xff\xfe\x00", "in UTF-8"),
        pytest.param(b"[" * 100_000, "RecursionError", id="nested"),
        (b"[1]", "as results files are"),
        (b'{"images": []}', "none called 'annotations'"),
        (b'{"images": [], "annotations": [], "categories": {}}', "none called 'categories'"),
        (b"7", "none called 'images'"),
    ],
)
def test_what_is_no_coco_file_is_refused(content, message, tmp_path):
    (tmp_path / "all.json").write_bytes(content)
    with pytest.raises(ValueError, match=message):
        load_lists(tmp_path / "all.json")
    with pytest.raises(ValueError, match="Did you mean all.json"):
        load_lists(tmp_path / "al.json")
    with pytest.raises(ValueError, match="received the folder"):
        load_lists(tmp_path)


def test_categories_may_be_missing_from_a_file(tmp_path):
    (tmp_path / "all.json").write_text('\ufeff{"images": [1], "annotations": []}', encoding="utf-8")
    assert load_lists(tmp_path / "all.json") == {"images": [1], "annotations": []}


def test_a_list_of_images_has_no_annotations_where_that_is_allowed(tmp_path):
    path = tmp_path / "image_info.json"
    path.write_text('{"images": [1], "categories": []}')
    assert load_lists(path, images_alone=True)["annotations"] == []
    with pytest.raises(ValueError, match="none called 'annotations'"):
        load_lists(path)
    for content in ('{"images": [1]}', '{"images": [1], "categories": [], "annotations": {}}'):
        path.write_text(content)
        with pytest.raises(ValueError, match="none called 'annotations'"):
            load_lists(path, images_alone=True)


def test_ids_of_categories_are_whole_and_unique(tmp_path):
    report = ProblemReport()
    given = [{"id": "3", "name": "cat"}, {"id": 9.0}, {"id": 4, "name": "cat"}, {"id": 3, "name": "cat"}]
    found = read_categories(given, report, tmp_path)
    assert found == {3: CATS[3], 9: {"id": 9, "name": "9"}, 4: {"id": 4, "name": "cat"}}
    assert report.counts == {("note", "two categories have the same name"): 1}
    for wrong, message in (([{"id": 1.5}], "whole-number id"), (["cat"], "whole-number id")):
        with pytest.raises(ValueError, match=message):
            read_categories(wrong, report, tmp_path)
    with pytest.raises(ValueError, match="must be unique"):
        read_categories([{"id": 3, "name": "cat"}, {"id": 3, "name": "dog"}], report, tmp_path)


def test_a_choice_orders_categories_and_may_bring_new_ones(tmp_path):
    assert choose_categories(CATS, None, tmp_path) == (CATS[3], CATS[9])
    new = {"id": 1, "name": "cow"}
    assert choose_categories(CATS, ("dog", new, CATS[3]), tmp_path) == (CATS[9], new, CATS[3])
    for wrong, message in (
        ("dog", "tuple of names"),
        ((), "one or more"),
        (("dog", "dog"), "each once"),
        (("dgo",), "Did you mean 'dog'"),
        (({"id": 3, "name": "cow"},), "id 3 is 'cow' in the list received and 'cat'"),
    ):
        with pytest.raises(ValueError, match=message):
            choose_categories(CATS, wrong, tmp_path)
    with pytest.raises(ValueError, match="pass categories="):
        choose_categories({}, None, tmp_path)


def test_images_are_told_apart_by_id(tmp_path):
    """An id of several files is of none; the same entry twice is one image; sizes may be missing."""
    report = ProblemReport()
    entry = {"id": 1, "file_name": "1.png", "height": 4, "width": 5}
    sizeless = {"id": "2", "file_name": "2.png", "height": 0, "width": 5}
    same_id = [{**entry, "id": 3, "file_name": name} for name in ("a.png", "b.png")]
    given = [entry, dict(entry), sizeless, *same_id, {"id": 4}, {"id": None, "file_name": "c.png"}, "junk"]
    images, ambiguous = read_images(given, report, tmp_path)
    assert images == {1: entry, 2: {"id": 2, "file_name": "2.png", "height": None, "width": None}}
    assert ambiguous == {3} and report.count("skipped image") == 5 and report.count("note") == 2
    with pytest.raises(ValueError, match="received none that is usable"):
        read_images(["junk"], ProblemReport(), tmp_path)
