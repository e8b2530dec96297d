"""scripts/compare_losses.py and scripts/loss_distribution.py, on two runs of one step each."""

import json

import numpy as np
import pytest
from PIL import Image

TINY = """
include "runs/compare_losses.gin"
include "runs/loss_distribution.gin"

retinanet.filters = 8
retinanet.head = @DenseHead
DenseHead.num_convs = 1
DenseHead.filters = 8
DenseHead.num_anchors = 9
retinanet.backbone = @resnet()
resnet.depth = 18
resnet.weights = None
eval/OccludedShapesSource.num_examples = 4
BATCH_SIZE = 2
STEPS = 1
WarmupCosineDecay.warmup_steps = 0
HardExampleSelector.candidates = 200
"""


@pytest.mark.slow
def test_losses_are_compared_and_their_distribution_drawn(run_script, tmp_path, capsys):
    (tmp_path / "tiny.gin").write_text(TINY)
    runs, drawn = tmp_path / "runs", tmp_path / "drawn"
    flags = ("--gin_file", tmp_path / "tiny.gin", "--output", runs, "--losses", "focal,ohem", "--seeds", "3")
    run_script("compare_losses", *flags)
    found = json.loads((runs / "comparison.json").read_text())
    assert found["seeds"] == [3] and set(found["runs"]) == {"focal", "ohem"}
    assert all(0 <= values["val_bbox/AP"][0] <= 1 for values in found["runs"].values())
    assert "| ohem | 1 |" in capsys.readouterr().out and (runs / "ohem" / "seed_3" / "model.keras").exists()
    config = [(runs / name / "seed_3" / "operative_config.gin").read_text() for name in ("focal", "ohem")]
    assert ["@HardExampleSelector()" in text for text in config] == [False, True]
    run_script("compare_losses", *flags)
    assert "is finished" in capsys.readouterr().out

    flags = ("--gin_file", tmp_path / "tiny.gin", "--output", drawn, "--model", runs / "focal" / "seed_3")
    run_script("loss_distribution", *flags)
    assert "negative, gamma 2: the hardest fifth has" in capsys.readouterr().out
    curves = json.loads((drawn / "loss_distribution.json").read_text())
    assert set(curves["negative"]) == {"0.0", "0.5", "1.0", "2.0"}
    assert np.asarray(Image.open(drawn / "loss_distribution.png")).shape[1] > 1000
