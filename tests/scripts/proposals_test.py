"""The commands of data sets and of proposals."""

import json

import gin
import numpy as np
import pytest
from absl import app
from PIL import Image

from panet_tf.evaluation.proposal_writer import ProposalWriter
from panet_tf.inference import load_model
from tests.evaluation.proposal_recall_test import SIZE, proposals, scene
from tests.gin_test import parameter
from tests.tiny_data_paths import tiny_paths


@pytest.fixture
def files(tmp_path):
    truth = scene(0)
    (tmp_path / "truth.json").write_text(json.dumps(truth))
    writer = ProposalWriter(tmp_path / "p.json")
    writer.update(proposals(truth) | {"original_sizes": np.tile(np.float32(SIZE), (5, 1))})
    writer.result()
    return tmp_path


def test_statistics_shapes_and_recall(run_script, files, capsys):
    truth = files / "truth.json"
    run_script("dataset_statistics", "--annotations", f"one={truth}", "--annotations", truth, "--output", files / "s")
    assert "| categories per image |" in capsys.readouterr().out
    assert set(json.loads((files / "s" / "statistics.json").read_text())) == {"one", "truth"}
    assert np.asarray(Image.open(files / "s" / "statistics.png")).shape[1] > 1000

    run_script("shape_masks", "--train", truth, "--annotations", truth, "--output", files / "m")
    assert "| mean shapes |" in capsys.readouterr().out and (files / "m" / "shapes.npz").exists()
    judged = json.loads((files / "m" / "shape_masks.json").read_text())
    assert judged["shape"]["AP"] > judged["box"]["AP"] and (files / "m" / "results.json").exists()

    (files / "none.json").write_text("[]")
    learned = ("--train", files / "m" / "shapes.npz", "--annotations", truth)
    run_script("shape_masks", *learned, "--boxes", files / "none.json")
    assert "| mean shapes | 0.0 | 0.0 | 0.0 | - |" in capsys.readouterr().out
    with pytest.raises(app.UsageError, match="--size: .*shapes.npz holds shapes that were learned"):
        run_script("shape_masks", *learned, "--size", "14")

    entries = json.loads((files / "p.json").read_text())
    (files / "p.json").write_text(json.dumps([{**entries[0], "score": None}, *entries[1:]]))
    flags = ("--annotations", truth, "--proposals", f"mine={files / 'p.json'}", "--counts", "5,40")
    run_script("evaluate_proposals", *flags, "--output", files / "r")
    head, _, row = capsys.readouterr().out.splitlines()[-3:]
    assert "segm/AR40" in head and head.endswith("| skipped_proposals |") and row.endswith("| 1 |")
    found = json.loads((files / "r" / "recall.json").read_text())["mine"]
    assert 0.1 < found["proposals/bbox/AR5"] < found["proposals/bbox/AR40"] < 1
    assert {path.name for path in (files / "r").glob("*.png")} == {"bbox.png", "segm.png"}


def test_the_command_of_figure_3_5c_on_its_data_file(run_script, tmp_path, monkeypatch, capsys):
    """The files that the documentation names; in place of the evaluation, what the data give to it."""
    bindings = [*tiny_paths("data/coco_proposals.gin", tmp_path), f'CocoSource.cache = "{tmp_path / "cache"}"']
    bindings += ["DetectionData.canvases = ((32, 64),)", "DetectionData.short_side = None"]
    boxes = [{"image_id": 1, "bbox": [i, 1, 9, 9], "score": i / 30} for i in range(30)]
    (tmp_path / "rpn.json").write_text(json.dumps(boxes))
    (tmp_path / "model.keras").write_text("weights")
    monkeypatch.setattr(load_model, "load_model", lambda path: None)

    def evaluate(model):
        data = parameter("panet_tf.evaluate.data")  # gin makes it
        batch = next(data.dataset().as_numpy_iterator())
        return {"bbox/AP": float((batch["proposals"][..., 2] > 0).sum()), "slots": batch["proposals"].shape[1]}

    monkeypatch.setattr(gin, "get_configurable", lambda name: {"panet_tf.evaluate": evaluate}[name])
    files = ("--gin_file", "runs/evaluate.gin", "--gin_file", "data/coco_proposals.gin")
    files += tuple(part for one in bindings for part in ("--gin_bindings", one))
    flags = ("--model", tmp_path, "--output", tmp_path / "c", "--counts", "20,5", "--proposals", tmp_path / "rpn.json")
    run_script("compare_proposals", *files, *flags)
    found = json.loads((tmp_path / "c" / "comparison.json").read_text())["runs"]["rpn"]
    assert found == {"5": {"bbox/AP": 5.0, "slots": 20}, "20": {"bbox/AP": 20.0, "slots": 20}}
    assert (tmp_path / "c" / "comparison.png").exists()
    assert "rpn, 5 proposals: bbox/AP 5.0000" in capsys.readouterr().out


TINY = """
include "runs/train.gin"
include "data/occluded_shapes.gin"
include "schedules/cosine.gin"
include "{model}.gin"

{own}
OccludedShapesSource.image_size = (64, 64)
train/OccludedShapesSource.num_examples = 8
eval/OccludedShapesSource.num_examples = 8
DetectionData.short_side = 64
DetectionData.long_side = 64
DetectionData.canvases = ((64, 64),)
BATCH_SIZE = 2
STEPS = 2
train.steps_per_epoch = 2
train.prediction_images = 0
WarmupCosineDecay.warmup_steps = 0
"""
RESNET = "resnet.depth = 18\nresnet.weights = None\n"


@pytest.mark.slow
def test_from_mask_proposals_to_fast_rcnn(run_script, tmp_path, capsys):
    """Mask proposals are trained, written and classified, their number is varied, and all is predicted and exported."""
    (tmp_path / "masks.gin").write_text(TINY.format(
        model="models/fpn_mask_proposals_mobilenet_v2",
        own='train.evaluators = (@ProposalRecall,)\ntrain.monitor = "val_proposals/segm/AR1000"\n',
    ))  # fmt: skip
    run_script("train", "--gin_file", tmp_path / "masks.gin", "--model_dir", tmp_path / "masks")
    writing = ("--gin_file", tmp_path / "masks.gin", "--gin_file", "runs/write_proposals.gin")
    path = tmp_path / "p.json"
    binding = ("--gin_bindings", f'PROPOSALS = "{path}"')
    run_script("evaluate", "--model", tmp_path / "masks", *writing, *binding)
    assert "proposals/bbox/AR1000" in capsys.readouterr().out
    assert len(json.loads(path.read_text())) > 1000

    own = RESNET + f'DetectionData.proposals = "{path}"\nDetectionData.max_proposals = 50\nRoISampler.count = 16\n'
    (tmp_path / "boxes.gin").write_text(TINY.format(model="models/fast_rcnn_r50_fpn", own=own))
    run_script("train", "--gin_file", tmp_path / "boxes.gin", "--model_dir", tmp_path / "boxes")
    files = ("--gin_file", tmp_path / "boxes.gin", "--gin_file", "runs/evaluate.gin")
    flags = ("--model", tmp_path / "boxes", "--proposals", f"fpn={path}", "--counts", "5,20")
    flags += ("--output", tmp_path / "c")
    run_script("compare_proposals", *files, *flags)
    found = json.loads((tmp_path / "c" / "comparison.json").read_text())["runs"]
    assert set(found["fpn"]) == {"5", "20"} and all(0 <= row["bbox/AP"] <= 1 for row in found["fpn"].values())
    assert (tmp_path / "c" / "comparison.png").exists()

    # Regions come beside images of one's own too.
    (tmp_path / "images").mkdir()
    Image.fromarray(np.full((64, 64, 3), 90, "uint8")).save(tmp_path / "images" / "a.png")
    truth = {"images": [{"id": json.loads(path.read_text())[0]["image_id"], "file_name": "a.png"}]}
    truth |= {"annotations": [], "categories": [{"id": 1, "name": "disc"}]}
    (tmp_path / "truth.json").write_text(json.dumps(truth))
    beside = ("--annotations", tmp_path / "truth.json", "--proposals", path)
    run_script("predict", "--model", tmp_path / "boxes", "--output", tmp_path / "f", *beside, tmp_path / "images")
    assert "instances in 1 images" in capsys.readouterr().out and (tmp_path / "f" / "results.json").exists()
    room = ("--gin_bindings", "export_saved_model.max_proposals = 20")
    run_script("export", "--model", tmp_path / "boxes", "--output", tmp_path / "served", *room)
    assert "Each takes images and their proposals" in capsys.readouterr().out
    assert (tmp_path / "served" / "1" / "saved_model.pb").exists()
