"""RetinaNet on two replicas gets what one device gets with the same global batch, however counts are averaged."""

import pathlib
import subprocess
import sys

import numpy as np
import pytest

ROOT = pathlib.Path(__file__).parents[2]


@pytest.mark.slow
def test_two_replicas_equal_one_device(tmp_path):
    path = tmp_path / "runs.npz"
    command = [sys.executable, "-m", "tests.training.two_replicas_retinanet", str(path)]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr[-3000:]
    runs = dict(np.load(path))
    for case, name in {tuple(key.replace("/one/", "/two/").split("/two/")) for key in runs}:
        one, two = runs[f"{case}/one/{name}"], runs[f"{case}/two/{name}"]
        # float32 sums in another order, over three steps
        np.testing.assert_allclose(two, one, rtol=1e-3, atol=1e-5, err_msg=f"{case} {name}")
    for case in ("own_counts", "running_counts", "running_counts_of_classes"):
        assert max(value for key, value in runs.items() if key.startswith(f"{case}/one/moved")) > 1e-3
    assert runs["running_counts/one/average"] != 20
    assert runs["own_counts/one/losses/loss"] != runs["running_counts/one/losses/loss"]
