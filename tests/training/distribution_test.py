"""PANet on two replicas gets what one device gets with the same global batch."""

import pathlib
import subprocess
import sys

import numpy as np
import pytest

ROOT = pathlib.Path(__file__).parents[2]
LOOKS = [("everything_normed", 1, 1e-5), ("heads_in_groups", 1, 1e-5), ("heads_in_groups", 3, 1e-3)]


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Losses, weights and statistics, from a process that has two logical CPU devices."""
    path = tmp_path_factory.mktemp("distribution") / "runs.npz"
    command = [sys.executable, "-m", "tests.training.two_replicas_panet", str(path)]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr[-3000:]
    return dict(np.load(path))


def values(runs, case, replicas, step, kind):
    prefix = f"{case}/{replicas}/{step}/{kind}/"
    found = {name[len(prefix) :]: value for name, value in runs.items() if name.startswith(prefix)}
    assert found
    return found


@pytest.mark.parametrize("kind", ["losses", "weights", "statistics"])
@pytest.mark.parametrize("case, step, tolerance", LOOKS)
def test_two_replicas_equal_one_device(runs, case, step, tolerance, kind):
    one, two = (values(runs, case, replicas, step, kind) for replicas in ("one", "two"))
    assert one.keys() == two.keys()
    for name in one:
        np.testing.assert_allclose(two[name], one[name], atol=tolerance, rtol=tolerance, err_msg=name)


@pytest.mark.parametrize("case, step, tolerance", LOOKS)
def test_there_was_something_to_compare(runs, case, step, tolerance):
    losses = values(runs, case, "one", step, "losses")
    assert {"loss", "rpn_objectness_loss", "rpn_box_loss", "class_loss", "box_loss", "mask_loss"} == set(losses)
    assert all(losses[name] > 0.1 for name in ("loss", "rpn_objectness_loss", "class_loss", "mask_loss"))
    if step == 1:  # weights moved by far more than the tolerance
        assert max(values(runs, case, "one", step, "moved").values()) > 10 * tolerance


def test_replicas_had_images_of_their_own(runs):
    assert np.abs(runs["images"][:2] - runs["images"][2:]).max() > 1
