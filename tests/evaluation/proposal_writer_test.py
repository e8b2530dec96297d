import json
import types

import numpy as np
import pytest
from pycocotools import mask as coco_mask

from panet_tf.data.proposals import Proposals
from panet_tf.evaluation.proposal_recall import ProposalRecall
from panet_tf.evaluation.proposal_writer import ProposalWriter
from tests.evaluation.proposal_recall_test import SIZE, proposals, scene


def batch_of(truth):
    return proposals(truth) | {"original_sizes": np.tile(np.float32(SIZE), (len(truth["images"]), 1))}


def test_what_is_written_is_read_back_and_gives_the_same_recall(tmp_path):
    truth = scene(0)
    batch = batch_of(truth)
    writer, recall = ProposalWriter(tmp_path / "new" / "p.json", category_id=9), ProposalRecall(truth, counts=(10, 50))
    for evaluator in (writer, recall):
        evaluator.reset()
        for rows in (slice(0, 3), slice(3, None)):
            evaluator.update({key: value[rows] for key, value in batch.items()})
    assert not writer.path.exists()  # no reader meets half a file
    assert writer.result(seen_only=True) == {"proposals/written": 40.0 + 3 * 60, "proposals/empty": 0.0}
    read = Proposals(writer.path)
    again = ProposalRecall(truth, counts=(10, 50))
    entries = json.loads(writer.path.read_text())
    for image_id in batch["image_ids"].tolist():
        own = [entry for entry in entries if entry["image_id"] == image_id]
        boxes, scores = read.of_image(image_id)
        np.testing.assert_allclose(scores, [entry["score"] for entry in own], rtol=1e-6)
        again.add(image_id, scores, boxes=boxes, masks=[entry["segmentation"] for entry in own])
    for name, value in recall.result().items():  # boxes were rounded to hundredths of a pixel
        assert again.result()[name] == pytest.approx(value, abs=0 if "segm" in name else 0.02)
    assert {entry["category_id"] for entry in entries} == {9}


def test_fields_and_boxes_around_masks(tmp_path):
    truth = scene(0)
    batch = batch_of(truth)
    found = {}
    for fields, tight in ((("bbox",), True), ("segmentation", None)):
        writer = ProposalWriter(tmp_path / "p.json", fields=fields, tight_boxes=tight, max_proposals=5)
        writer.update(batch)
        writer.result()
        found[tight] = json.loads(writer.path.read_text())
    assert "segmentation" not in found[True][0] and "bbox" not in found[None][0]
    assert len(found[True]) == 5 * 4
    for with_box, with_mask in zip(found[True], found[None]):
        assert with_box["bbox"] == coco_mask.toBbox(with_mask["segmentation"]).tolist()
    with pytest.raises(ValueError, match="fields must be"):
        ProposalWriter("p.json", fields=("box",))


@pytest.mark.parametrize(
    "fields, tight, left_out",
    [("bbox", True, [1, 4]), ("bbox", False, [1]), ("segmentation", None, [1, 4]), (None, True, [1, 4])],
)
def test_what_has_no_pixel_is_left_out_and_counted(tmp_path, fields, tight, left_out):
    batch = {key: value[:1] for key, value in batch_of(scene(0)).items()}
    batch["boxes"][0, 1, 2] = batch["boxes"][0, 1, 0]  # a box without height
    batch["masks"][0, 4] = 0.0  # a mask that is nowhere above the threshold
    files = []
    for name, kept in (("all.json", range(40)), ("rest.json", np.setdiff1d(range(40), left_out))):
        writer = ProposalWriter(tmp_path / name, fields=fields, tight_boxes=tight)
        classes = np.zeros_like(batch["classes"])
        classes[0, list(kept)] = batch["classes"][0, list(kept)]
        writer.update({**batch, "classes": classes})
        assert writer.result()["proposals/empty"] == len(kept) - (40 - len(left_out))
        files.append(json.loads(writer.path.read_text()))
    assert files[0] == files[1] and len(files[0]) == 40 - len(left_out)
    if fields != "segmentation":
        assert Proposals(tmp_path / "all.json").num_skipped == 0


def test_it_is_made_for_a_model():
    data = types.SimpleNamespace(categories=({"id": 7},))
    for kind, tight, whole in (({}, False, False), ({"boxes_are_frames": True, "whole_pixels": True}, True, True)):
        writer = ProposalWriter.made_for(types.SimpleNamespace(**kind), data, path="p.json")
        assert (writer.category_id, writer.tight_boxes, writer.whole_pixels) == (7, tight, whole)
    frames = types.SimpleNamespace(boxes_are_frames=True)
    assert not ProposalWriter.made_for(frames, data, path="p.json", tight_boxes=False).tight_boxes


def test_nothing_found_is_an_empty_list(tmp_path):
    writer = ProposalWriter(tmp_path / "p.json")
    assert writer.result() == {"proposals/written": 0.0, "proposals/empty": 0.0}
    batch = batch_of(scene(0))
    writer.update({key: value[1:2] for key, value in batch.items()})  # the image without proposals
    writer.result()
    assert json.loads(writer.path.read_text()) == []
