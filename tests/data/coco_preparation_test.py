"""When a COCO JSON is prepared anew, and when not."""

import pytest

from panet_tf.data.coco_preparation import prepare_coco_json
from panet_tf.data.preparation import read_builder, read_report
from tests import tiny_coco


def test_settings_and_content_make_another_folder(tmp_path):
    annotations, images = tiny_coco.write(
        tmp_path, [tiny_coco.image_entry(1), tiny_coco.image_entry(2)], [tiny_coco.annotation(1)]
    )
    given = {"annotations": annotations, "images": images, "cache": tmp_path / "cache", "progress": False}
    folder = prepare_coco_json(**given)
    written = {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}
    assert prepare_coco_json(**given) == folder
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()} == written
    assert read_builder(folder).info.splits["examples"].num_examples == 2
    assert read_report(folder).counts == {("note", "image without a usable annotation, kept"): 1}
    full = prepare_coco_json(**given, keep_empty=False)
    assert read_builder(full).info.splits["examples"].num_examples == 1
    annotations.write_text(annotations.read_text() + " ")
    assert len({folder, full, prepare_coco_json(**given)}) == 3


def test_what_is_useless_leaves_no_folder(tmp_path):
    annotations, images = tiny_coco.write(tmp_path, draw=False)
    with pytest.raises(ValueError, match="none of the 1 of"):
        prepare_coco_json(annotations=annotations, images=images, cache=tmp_path / "cache", progress=False)
    assert not list((tmp_path / "cache").rglob("*.tfrecord*"))
