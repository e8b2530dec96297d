import json

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
    assert writer.result(seen_only=True) == {"proposals/written": 40.0 + 3 * 60}
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


def test_nothing_found_is_an_empty_list(tmp_path):
    writer = ProposalWriter(tmp_path / "p.json")
    assert writer.result() == {"proposals/written": 0.0}
    batch = batch_of(scene(0))
    writer.update({key: value[1:2] for key, value in batch.items()})  # the image without proposals
    writer.result()
    assert json.loads(writer.path.read_text()) == []
