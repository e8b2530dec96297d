"""One process at a time in the folder of a run."""

import contextlib
import os
import pathlib
import socket

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None


@contextlib.contextmanager
def only_run_in(model_dir):
    """While it lasts, no other process trains in a folder: two would write the same checkpoints and the same history.

    The lock is the operating system's, on `.lock` in the folder: it ends with the process, `kill -9` included, and
    leaves nothing to clean up. Where a system or its disk has no locks, nothing is refused.

    Args:
        model_dir: path of the run's folder, which is created.

    Raises:
        ValueError: another process trains there.

    Example:
        >>> with only_run_in("runs/nuclei"):
        ...     model.fit(...)
    """
    folder = pathlib.Path(model_dir)
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / ".lock", "a+", encoding="utf-8") as file:
        if fcntl is not None:
            _lock(file, folder)
        yield


def _lock(file, folder):
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.seek(0)
        raise ValueError(
            f"one process at a time trains in a model_dir, received {folder}, where {file.read().strip() or 'another'} "
            "trains. Wait for its end, stop it, or give this run a model_dir of its own."
        ) from None
    except OSError:
        return  # the disk has no locks
    file.truncate(0)
    file.write(f"process {os.getpid()} of {socket.gethostname()}\n")
    file.flush()
