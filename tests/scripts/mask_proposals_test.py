"""The commands of mask proposals, on models of a few weights and runs of two steps."""

import json

import pytest

from tests.models.deep_mask_test import tiny

TINY = """
include "runs/compare_mask_proposals.gin"

train/OccludedShapesSource.num_examples = 6
eval/OccludedShapesSource.num_examples = 3
BATCH_SIZE = 2
STEPS = 2
WarmupCosineDecay.warmup_steps = 0
"""


@pytest.mark.slow
def test_deep_mask_and_sharp_mask_are_compared(run_script, tmp_path, capsys):
    (tmp_path / "tiny.gin").write_text(TINY)
    flags = ("--gin_file", tmp_path / "tiny.gin", "--output", tmp_path / "runs", "--seeds", "5")
    run_script("compare_mask_proposals", *flags)
    found = json.loads((tmp_path / "runs" / "comparison.json").read_text())
    assert found["seeds"] == [5] and list(found["runs"]) == ["DeepMask", "SharpMask"]
    assert all(0 <= values["val_proposals/segm/AR100"][0] <= 1 for values in found["runs"].values())
    assert "| SharpMask | 1 |" in capsys.readouterr().out
    run = json.loads((tmp_path / "runs" / "SharpMask" / "seed_5" / "run.json").read_text())
    assert run["model"]["frozen_forward"]
    run_script("compare_mask_proposals", *flags)
    assert "is finished" in capsys.readouterr().out


DATA = """
include "data/occluded_shapes.gin"
include "runs/dense_mask_recall.gin"

eval/OccludedShapesSource.num_examples = 2
OccludedShapesSource.image_size = (64, 64)
DetectionData.short_side = None
DetectionData.long_side = None
DetectionData.canvases = ((64, 64),)
BATCH_SIZE = 2
"""


def test_the_upper_bound_of_a_file(run_script, tmp_path, capsys):
    tiny().save(tmp_path / "model.keras")
    (tmp_path / "data.gin").write_text(DATA)
    flags = ("--model", tmp_path, "--gin_file", tmp_path / "data.gin", "--output", tmp_path / "dense.json")
    run_script("dense_mask_recall", *flags)
    printed, found = capsys.readouterr().out, json.loads((tmp_path / "dense.json").read_text())
    assert "2 images" in printed and "dense/AR " in printed
    assert 0 <= found["dense/AR"] <= 1 and found["dense/masks"] > 50
