"""OANet on two replicas equals one device: losses are divided by the pixels of all replicas."""

import pathlib
import subprocess
import sys

import numpy as np
import pytest


@pytest.mark.slow
def test_two_replicas_equal_one_device(tmp_path):
    path = tmp_path / "runs.npz"
    command = [sys.executable, "-m", "tests.training.two_replicas_oanet", str(path)]
    run = subprocess.run(command, cwd=pathlib.Path(__file__).parents[2], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr[-3000:]
    runs = dict(np.load(path))
    names = [name.removeprefix("one/") for name in runs if name.startswith("one/")]
    assert "losses/semantic_loss" in names and "losses/ranking_loss" in names
    for name in names:  # float32 sums in another order
        np.testing.assert_allclose(runs[f"two/{name}"], runs[f"one/{name}"], rtol=1e-4, atol=1e-5, err_msg=name)
