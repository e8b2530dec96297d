"""One process at a time in a run's folder."""

import subprocess
import sys

import pytest

from panet_tf.training.run_lock import only_run_in

HOLD = """
import sys
sys.path.insert(0, sys.argv[2])
from run_lock import only_run_in  # the file alone: the package would take seconds
with only_run_in(sys.argv[1]):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def holder(tmp_path):
    """A process that trains in `tmp_path / "run"`, as far as the lock goes."""
    module = sys.modules[only_run_in.__module__].__file__
    command = [sys.executable, "-c", HOLD, str(tmp_path / "run"), module.rpartition("/")[0]]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdout.readline() == b"held\n"
    yield process
    process.kill()
    process.communicate()


def test_a_second_process_is_refused_until_the_first_has_ended_however(holder, tmp_path):
    with pytest.raises(ValueError, match=rf"one process at a time .*run, where process {holder.pid} of "):
        with only_run_in(tmp_path / "run"):
            pass
    with only_run_in(tmp_path / "other"):
        pass
    holder.kill()  # SIGKILL
    holder.wait()
    for _ in range(2):  # and it is given back each time
        with only_run_in(tmp_path / "run"):
            pass


def test_it_is_given_back_after_a_failure(tmp_path):
    with pytest.raises(KeyError), only_run_in(tmp_path):
        raise KeyError
    with only_run_in(tmp_path), pytest.raises(ValueError, match="one process at a time"), only_run_in(tmp_path):
        pass
