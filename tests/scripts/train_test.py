"""scripts/train.py and scripts/evaluate.py as people run them."""

import json
import os
import pathlib
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).parents[2]

TINY = """
include "models/faster_rcnn_r50_fpn.gin"
include "data/occluded_shapes.gin"
include "schedules/cosine.gin"
include "runs/train.gin"
include "runs/evaluate.gin"

faster_rcnn.backbone = @resnet()
faster_rcnn.filters = 16
resnet.depth = 18
resnet.norm = "group"
resnet.weights = None
ProposalSelector.pre_nms_top_k = 50
ProposalSelector.post_nms_top_k = 20
RoISampler.count = 16
OccludedShapesSource.image_size = (64, 64)
eval/OccludedShapesSource.num_examples = 6
DetectionData.short_side = 64
DetectionData.long_side = 64
DetectionData.canvases = ((64, 64),)
BATCH_SIZE = 2
STEPS = 2
WarmupCosineDecay.warmup_steps = 1
train.steps_per_epoch = 1
train.prediction_images = 1
"""


def script(name, *flags, cwd=ROOT):
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "2"}
    command = [sys.executable, str(ROOT / "scripts" / name), *map(str, flags)]
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """(folder, flags, what the script printed) of two steps."""
    folder = tmp_path_factory.mktemp("scripts")
    (folder / "tiny.gin").write_text(TINY)
    flags = ("--gin_file", "tiny.gin", "--model_dir", "run")
    run = script("train.py", *flags, cwd=folder)
    assert run.returncode == 0, run.stderr[-3000:]
    return folder, flags, run.stdout


def test_train_leaves_a_model_and_its_configuration(trained):
    folder, _, printed = trained
    assert "epoch 2/2, step 2/2" in printed and "class_loss" in printed
    run = folder / "run"
    config = (run / "operative_config.gin").read_text()
    assert "WarmupCosineDecay.steps = %STEPS" in config and "resnet.depth = 18" in config
    assert "val_bbox/AP" in json.loads((run / "metrics.json").read_text())
    assert (run / "model.keras").exists() and list((run / "images").glob("*.png")) and list((run / "logs").iterdir())


def test_train_again_resumes(trained):
    folder, flags, _ = trained
    run = script("train.py", *flags, "--gin_bindings", "STEPS = 3", cwd=folder)
    assert run.returncode == 0, run.stderr[-3000:]
    assert "arguments.steps: 2 -> 3" in run.stdout
    assert "after epoch 2, step 2 of 3" in run.stdout and "epoch 3/3, step 3/3" in run.stdout


def test_evaluate(trained):
    folder, _, _ = trained
    flags = ("--gin_file", "tiny.gin", "--model", "run", "--output", "out/metrics.json")
    run = script("evaluate.py", *flags, cwd=folder)
    assert run.returncode == 0, run.stderr[-3000:]
    metrics = json.loads((folder / "out" / "metrics.json").read_text())
    assert 0 <= metrics["bbox/AP"] <= 1 and f"{metrics['bbox/AP']:.4f}" in run.stdout


def test_a_misspelt_name_ends_it_before_anything_is_made(tmp_path):
    (tmp_path / "tiny.gin").write_text(TINY)
    flags = ("--gin_file", "tiny.gin", "--model_dir", "run", "--gin_bindings", "train.step = 3")
    run = script("train.py", *flags, cwd=tmp_path)
    assert run.returncode != 0
    assert 'Did you mean "steps"?' in run.stderr.strip().splitlines()[-1]
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("name", ["train.py", "evaluate.py"])
def test_help_has_examples(name):
    run = script(name, "--help")
    assert "Examples:" in run.stdout and f"python scripts/{name}" in run.stdout and "--gin_file" in run.stdout


def test_a_model_that_is_not_there(tmp_path):
    run = script("evaluate.py", "--gin_file", "quickstart.gin", "--model", "nowhere", cwd=tmp_path)
    assert run.returncode != 0 and "no model at nowhere" in run.stderr
