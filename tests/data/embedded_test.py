import json

import pytest

from panet_tf.data import embedded_paths
from panet_tf.data.embedded import nuclei_mini


@pytest.mark.parametrize(("split", "images", "nuclei"), [("train", 60, 1815), ("val", 20, 505)])
def test_the_embedded_nuclei_are_whole_and_without_fault(tmp_path, split, images, nuclei):
    source = nuclei_mini(split, cache=tmp_path, progress=False)
    assert (source.num_examples, source.num_objects.sum()) == (images, nuclei)
    assert [c["name"] for c in source.categories] == ["nucleus"] and not source.report.counts


def test_no_image_is_in_both_splits():
    names = [
        {i["file_name"] for i in json.load(open(embedded_paths.nuclei_mini(split)[0]))["images"]}
        for split in ("train", "val")
    ]
    assert not names[0] & names[1]


def test_other_splits_are_refused():
    with pytest.raises(ValueError, match='"train" .* or "val" .*received \'test\''):
        nuclei_mini("test")
