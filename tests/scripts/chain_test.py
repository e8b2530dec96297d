"""What one script leaves, the next one takes: train, evaluate, export, serve_once. And every script explains itself."""

import ast
import json
import os
import pathlib
import subprocess
import sys

import gin
import numpy as np
import pytest
from PIL import Image

from panet_tf.data.occluded_shapes_source import OccludedShapesSource
from tests.models.tiny import tiny_backbone

SCRIPTS = pathlib.Path(__file__).parents[2] / "scripts"
CONFIG = """
include "models/panet_r50.gin"
include "schedules/cosine.gin"
include "runs/train.gin"
include "runs/evaluate.gin"

panet.backbone = @tests.tiny_backbone()
panet.filters = 8
panet.norm = None
panet.heavy_head = False
AnchorGenerator.sizes = (8, 16, 24, 32, 48)
ProposalSelector.pre_nms_top_k = 16
ProposalSelector.post_nms_top_k = 8
RoISampler.count = 8
DetectionSelector.score_threshold = 0.0
DetectionSelector.max_detections = 5

TRAIN_DATA = @train/DetectionData()
EVAL_DATA = @eval/DetectionData()
BATCH_SIZE = 2
DetectionData.source = @OccludedShapesSource()
DetectionData.canvases = ((64, 64),)
DetectionData.short_side = 64
train/DetectionData.batch_size = 2
train/DetectionData.training = True
eval/DetectionData.batch_size = 2
OccludedShapesSource.num_examples = 3
OccludedShapesSource.image_size = (64, 64)

STEPS = 1
WarmupCosineDecay.warmup_steps = 0
train.steps_per_epoch = 1
train.eval_data = None
"""
gin.external_configurable(tiny_backbone, module="tests")


def test_train_evaluate_export_and_serve(run_script, tmp_path, capsys, monkeypatch):
    (tmp_path / "tiny.gin").write_text(CONFIG)
    run, config = tmp_path / "run", ("--gin_file", tmp_path / "tiny.gin")
    run_script("train", *config, "--model_dir", run)
    assert {"model.keras", "history.csv", "metrics.json", "operative_config.gin", "checkpoints"} <= set(os.listdir(run))

    run_script("evaluate", *config, "--model", run, "--output", tmp_path / "out" / "metrics.json")
    metrics = json.loads((tmp_path / "out" / "metrics.json").read_text())
    assert {"bbox/AP", "segm/AP50"} <= set(metrics) and "segm/AP50" in capsys.readouterr().out

    run_script("export", "--model", run / "model.keras", "--output", tmp_path / "served")
    assert (tmp_path / "served" / "1" / "saved_model.pb").is_file()

    image = OccludedShapesSource(num_examples=1, image_size=(48, 80)).draw(0)["image"]
    Image.fromarray(image).save(tmp_path / "image.png")
    arguments = {"saved_model": tmp_path / "served", "image": tmp_path / "image.png", "output": tmp_path / "answer"}
    command = [str(part) for name, value in arguments.items() for part in (f"--{name}", value)]
    monkeypatch.setattr(sys, "argv", ["serve_once.py", *command, "--threshold", "0"])
    exec(compile((SCRIPTS / "serve_once.py").read_text(), "serve_once.py", "exec"), {"__name__": "__main__"})
    answer = json.loads((tmp_path / "answer" / "prediction.json").read_text())
    assert len(answer["detections"]) == 5 and answer["detections"][0]["category"] in category_names()
    assert np.asarray(Image.open(tmp_path / "answer" / "prediction.png")).shape == (48, 80, 3)


def category_names():
    return [category["name"] for category in OccludedShapesSource(num_examples=1).categories]


@pytest.mark.parametrize("name", sorted(path.stem for path in SCRIPTS.glob("*.py")))
def test_scripts_are_thin_and_show_examples(name):
    text = (SCRIPTS / f"{name}.py").read_text()
    assert len(text.splitlines()) <= 60
    assert f"Examples:\n  python scripts/{name}.py --" in ast.get_docstring(ast.parse(text))


def test_help_is_the_docstring_and_typing_errors_end_with_the_right_name(tmp_path):
    environment = {**os.environ, "PYTHONPATH": str(SCRIPTS.parent)}
    command = [sys.executable, str(SCRIPTS / "train.py")]
    shown = subprocess.run([*command, "--help"], capture_output=True, text=True, env=environment).stdout
    assert "python scripts/train.py --gin_file quickstart.gin" in shown and "--gin_bindings" in shown
    wrong = [*command, "--model_dir", str(tmp_path / "run"), "--gin_file", "quikstart.gin"]
    done = subprocess.run(wrong, capture_output=True, text=True, env=environment)
    assert done.returncode != 0 and 'Did you mean "quickstart.gin"?' in done.stderr.splitlines()[-1]
    assert not (tmp_path / "run").exists()
