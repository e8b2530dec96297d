import json
import types

import numpy as np
import pytest

from panet_tf.evaluation.proposal_recall import ProposalRecall
from panet_tf.evaluation.proposal_writer import ProposalWriter
from panet_tf.training.evaluate import default_evaluators
from panet_tf.training.proposal_files import evaluate_proposals
from tests.evaluation.proposal_recall_test import SIZE, proposals, scene


def test_a_file_in_any_order_has_the_recall_of_what_was_written(tmp_path):
    truth = scene(2)
    batch = proposals(truth) | {"original_sizes": np.tile(np.float32(SIZE), (5, 1))}
    batch["scores"] = np.random.default_rng(0).random(batch["scores"].shape).astype("float32")  # no ties
    expected = ProposalRecall(truth, counts=(5, 40))
    writer = ProposalWriter(tmp_path / "p.json")
    for evaluator in (expected, writer):
        evaluator.update(batch)
    writer.result()
    entries = json.loads((tmp_path / "p.json").read_text())
    order = np.random.default_rng(1).permutation(len(entries))
    (tmp_path / "scattered.json").write_text(json.dumps([entries[i] for i in order]))
    for name in ("p.json", "scattered.json"):
        found = evaluate_proposals(tmp_path / name, truth, counts=(5, 40)).result()
        assert found == pytest.approx(expected.result(), abs=0.01)  # boxes are written to hundredths of a pixel
        assert found["proposals/segm/AR40"] == expected.result()["proposals/segm/AR40"]
    only_masks = [{key: value for key, value in entry.items() if key != "bbox"} for entry in entries]
    (tmp_path / "masks.json").write_text(json.dumps(only_masks))
    found = evaluate_proposals(tmp_path / "masks.json", truth, counts=(5, 40)).result()
    assert found["proposals/segm/AR40"] == expected.result()["proposals/segm/AR40"]
    only_masks[7]["segmentation"] = {**only_masks[7]["segmentation"], "size": [9, 9]}
    (tmp_path / "masks.json").write_text(json.dumps(only_masks))
    with pytest.raises(ValueError, match=r"as large as their images, received \(9, 9\)"):
        evaluate_proposals(tmp_path / "masks.json", truth)


def test_models_that_propose_are_judged_by_recall_unless_told_otherwise():
    truth = scene(0)
    data = types.SimpleNamespace(categories=truth["categories"])
    data.source = types.SimpleNamespace(coco_ground_truth=lambda: truth)
    for kind, expected in (
        ({"boxes_are_frames": True, "whole_pixels": True}, [(ProposalRecall, True, True)]),
        ({"box_head": None}, [(ProposalRecall, False, False)]),
        ({"box_head": object()}, []),
    ):
        found = default_evaluators({"boxes": 0, "masks": 0}, types.SimpleNamespace(**kind), data)
        judged = [(type(e), e.tight_boxes, e.whole_pixels) for e in found if isinstance(e, ProposalRecall)]
        assert judged == expected and len(found) == 1


def test_an_empty_file_reaches_nothing(tmp_path):
    (tmp_path / "p.json").write_text("[]")
    assert evaluate_proposals(tmp_path / "p.json", scene(0)).result()["proposals/bbox/AR1000"] == 0
