"""scripts/export.py and, from what it leaves, scripts/serve_once.py; and what all scripts have in common."""

import ast
import json
import pathlib
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from panet_tf.data.preprocessing import Preprocessing
from tests.models.tiny import CATEGORIES, tiny_panet

SCRIPTS = pathlib.Path(__file__).parents[2] / "scripts"


def test_what_is_exported_answers_in_another_process(run_script, tmp_path, capsys):
    model = tiny_panet()
    model.preprocessing = Preprocessing(canvases=((64, 96), (96, 64)), short_side=64, long_side=96)
    (tmp_path / "run").mkdir()
    model.save(tmp_path / "run" / "model.keras")
    run_script("export", "--model", tmp_path / "run" / "model.keras", "--output", tmp_path / "served")
    assert (tmp_path / "served" / "1" / "saved_model.pb").is_file() and "served" in capsys.readouterr().out

    pixels = np.random.default_rng(0).integers(0, 255, (48, 80, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "image.png")
    command = [sys.executable, SCRIPTS / "serve_once.py", "--saved_model", tmp_path / "served"]
    command += ["--image", tmp_path / "image.png", "--threshold", "0", "--output", tmp_path / "answer"]
    environment = {"PATH": "", "TF_CPP_MIN_LOG_LEVEL": "3"}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "6 detections of score 0.0 or more" in done.stdout
    detections = json.loads((tmp_path / "answer" / "prediction.json").read_text())["detections"]
    assert len(detections) == 6 and {d["category"] for d in detections} <= {c["name"] for c in CATEGORIES}
    scores = [detection["score"] for detection in detections]
    assert scores == sorted(scores, reverse=True)
    assert all(0 <= y0 <= y1 <= 48 and 0 <= x0 <= x1 <= 80 for y0, x0, y1, x1 in (d["box_yxyx"] for d in detections))
    shown = np.asarray(Image.open(tmp_path / "answer" / "prediction.png"))
    assert shown.shape == pixels.shape and (shown != pixels).any()

    command[command.index("0")] = "1.1"  # nothing reaches it: the picture is the image
    assert subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True).returncode == 0
    np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / "answer" / "prediction.png")), pixels)


@pytest.mark.parametrize("name", sorted(path.stem for path in SCRIPTS.glob("*.py")))
def test_scripts_are_thin_and_show_examples(name):
    text = (SCRIPTS / f"{name}.py").read_text()
    assert len(text.splitlines()) <= 60
    assert f"Examples:\n  python scripts/{name}.py --" in ast.get_docstring(ast.parse(text))
