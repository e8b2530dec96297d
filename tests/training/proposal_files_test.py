import json
import types

import numpy as np
import pytest

from panet_tf.data.proposals import Proposals
from panet_tf.data.segmentations import rle_runs
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


def written(folder, truth):
    """Entries of boxes and masks, as written."""
    writer = ProposalWriter(folder / "p.json")
    writer.update(proposals(truth) | {"original_sizes": np.tile(np.float32(SIZE), (5, 1))})
    writer.result()
    return json.loads((folder / "p.json").read_text())


def without(key):
    return lambda entry: {name: value for name, value in entry.items() if name != key}


def with_code(counts):
    return lambda entry: {**entry, "segmentation": {**entry["segmentation"], "counts": counts}}


BROKEN = {
    "no score": without("score"),
    "null score": lambda entry: {**entry, "score": None},
    "NaN score": lambda entry: {**entry, "score": float("nan")},
    "no image": without("image_id"),
    "no mask": without("segmentation"),
    "short box": lambda entry: {**entry, "bbox": entry["bbox"][:3]},
    "no box at all": lambda entry: {**entry, "bbox": 5},
    "negative box": lambda entry: {**entry, "bbox": [5, 5, -3, 4]},
    "NaN box": lambda entry: {**entry, "bbox": [float("nan")] * 4},
    "polygons": lambda entry: {**entry, "segmentation": [[1, 1, 50, 1, 50, 50]]},
    "corrupt code": with_code("abc~~~"),
    "cut code": with_code("0"),
    "no code": with_code(None),
}


def test_single_broken_entries_are_left_out_and_counted(tmp_path, caplog):
    """Every kind, each in place of a good entry: as if that were not there. Those that are boxes stay so."""
    truth = scene(0)
    entries = written(tmp_path, truth)
    places = dict(zip(BROKEN, range(3, 200, 9)))
    (tmp_path / "rest.json").write_text(json.dumps([e for i, e in enumerate(entries) if i not in places.values()]))
    for name, place in places.items():
        entries[place] = BROKEN[name](entries[place])
    (tmp_path / "broken.json").write_text(json.dumps(entries))
    found = evaluate_proposals(tmp_path / "broken.json", truth, counts=(5, 40))
    expected = evaluate_proposals(tmp_path / "rest.json", truth, counts=(5, 40))
    assert (found.num_skipped_proposals, expected.num_skipped_proposals) == (len(BROKEN), 0)
    assert found.result() == expected.result() | {"proposals/skipped_proposals": float(len(BROKEN))}
    logged = [record.getMessage() for record in caplog.records if "left out" in record.getMessage()]
    image = entries[places["no score"]]["image_id"]
    assert len(logged) == 4 and f"broken.json: an entry of image {image} left out" in logged[0]
    assert f"{len(BROKEN)} of {len(entries)} entries left out" in logged[-1]
    boxes = evaluate_proposals(tmp_path / "broken.json", truth, metrics="bbox", counts=(5, 40))
    assert boxes.num_skipped_proposals == len(BROKEN) - 2  # masks are not needed, nor read as polygons
    assert Proposals(tmp_path / "broken.json").num_skipped == len(BROKEN) - 2
    (tmp_path / "none.json").write_text(json.dumps([BROKEN["polygons"](entry) for entry in entries]))
    with pytest.raises(ValueError, match="without any that is: .* run-length code is needed, received a list"):
        evaluate_proposals(tmp_path / "none.json", truth)


def test_scores_that_are_no_numbers_do_not_disturb_the_order(tmp_path):
    truth = scene(0, images=2, objects=6)
    own = [a for a in truth["annotations"] if not a["iscrowd"]]
    one = {"image_id": 7, "category_id": 2}
    good = [{**one, "bbox": a["bbox"], "score": 0.9 - 0.01 * i} for i, a in enumerate(own)]
    poor = [{**one, "bbox": [0, 0, 3, 3], "score": 0.1}] * 30
    found = []
    for between in ([], [{**one, "bbox": [0, 0, 3, 3], "score": float("nan")}]):
        (tmp_path / "p.json").write_text(json.dumps(poor + between + good))
        found.append(evaluate_proposals(tmp_path / "p.json", truth, counts=(10,)).result()["proposals/bbox/AR10"])
    assert found == [1.0, 1.0]


def test_codes_of_either_kind_are_the_same_masks(tmp_path):
    truth = scene(0)
    entries = written(tmp_path, truth)
    expected = evaluate_proposals(tmp_path / "p.json", truth, counts=(40,)).result()
    for entry in entries:
        entry.pop("bbox")
        runs = rle_runs(entry["segmentation"]["counts"]).tolist()
        entry["segmentation"] = {**entry["segmentation"], "counts": runs}
    (tmp_path / "runs.json").write_text(json.dumps(entries))
    found = evaluate_proposals(tmp_path / "runs.json", truth, counts=(40,)).result()
    assert found["proposals/segm/AR40"] == expected["proposals/segm/AR40"]
    read = Proposals(tmp_path / "runs.json")
    assert (read.num_proposals, read.num_skipped) == (len(entries), 0)


def test_an_empty_file_reaches_nothing(tmp_path):
    (tmp_path / "p.json").write_text("[]")
    assert evaluate_proposals(tmp_path / "p.json", scene(0)).result()["proposals/bbox/AR1000"] == 0
