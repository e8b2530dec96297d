"""What makes an entry usable; broken ones beside what is left are in the tests of whole files."""

import json

import pytest
from pycocotools import mask as coco_mask

from panet_tf.data.proposal_entries import Proposal, ProposalEntries

CODE = {"size": [4, 5], "counts": [5, 2, 13]}  # the middle of the second column
TEXT = {"size": [4, 5], "counts": coco_mask.frPyObjects(CODE, 4, 5)["counts"].decode()}
BOX = [1, 2, 3, 4]
POLYGONS = [[1, 1, 4, 1, 4, 4]]


def read(*entries, **settings):
    entries = ProposalEntries([{"image_id": 7, "score": 0.5, **entry} for entry in entries], **settings)
    return list(entries), entries


def test_boxes_and_masks_come_out_alike():
    found, _ = read({"bbox": BOX}, {"segmentation": CODE}, {"segmentation": TEXT, "bbox": BOX, "category_id": 3})
    assert found[0] == Proposal(7, (2.0, 1.0, 6.0, 4.0), 0.5, None, None)
    assert found[1] == Proposal(7, (1.0, 1.0, 3.0, 2.0), 0.5, TEXT, None)
    assert found[2] == Proposal(7, (2.0, 1.0, 6.0, 4.0), 0.5, TEXT, 3)
    assert read({"image_id": "8", "score": "0.25", "bbox": BOX})[0][0][::2] == (8, 0.25, None)


def test_what_is_asked_for_decides_what_is_left_out():
    flat, empty = {"bbox": [1, 2, 0, 4]}, {"segmentation": {"size": [4, 5], "counts": [20]}}
    entries = ({"bbox": BOX, "segmentation": POLYGONS}, flat, empty, {"segmentation": POLYGONS})
    assert [len(read(*entries, **{name: True})[0]) for name in ("with_masks", "with_area")] == [1, 1]
    found, told = read(*entries)
    assert len(found) == 3 and (told.num_entries, told.num_skipped) == (4, 1)
    assert told.first_problem == "a bbox or a segmentation as run-length code is needed, received a list"


def test_masks_have_the_size_of_their_image():
    other = {"segmentation": {"size": [5, 4], "counts": [5, 2, 13]}}
    found, told = read({"segmentation": CODE}, other, {**other, "image_id": 8})
    assert [one.image_id for one in found] == [7, 8] and told.stated_sizes == {7: (4, 5), 8: (5, 4)}
    with pytest.raises(ValueError, match=r"as large as their images, received \(5, 4\) for image 7 of \(4, 5\)"):
        read(other, sizes={7: (4, 5)})


def test_every_round_counts_anew(tmp_path):
    (tmp_path / "p.json").write_text(json.dumps([{"image_id": 1, "bbox": BOX, "score": 1}, {}]))
    entries = ProposalEntries(tmp_path / "p.json")
    assert [(len(list(entries)), entries.num_entries, entries.num_skipped) for _ in range(2)] == [(1, 2, 1)] * 2
