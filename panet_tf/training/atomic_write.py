"""Files that are whole or absent, whenever the process dies."""

import os
import pathlib


def write_atomically(path, write):
    """Writes a file beside its place, then moves it there in one step.

    A process that dies while writing leaves a hidden `.partial-*` file and the old content untouched.

    Args:
        path: where the file belongs; the folder is created.
        write: function of one path, which writes the file; or `str` or `bytes`, the content itself.

    Example:
        >>> write_atomically("run/metrics.json", json.dumps(metrics))
    """
    path = pathlib.Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".partial-{os.getpid()}-{path.name}")  # keeps the suffix, which Keras checks
    if callable(write):
        write(partial)
    else:
        partial.write_bytes(write.encode() if isinstance(write, str) else write)
    with open(partial, "rb") as file:
        os.fsync(file.fileno())  # the rename must not overtake the data
    os.replace(partial, path)


def remove_partial_files(folder):
    """Removes what processes that died while writing have left in a folder, not what others are writing.

    Args:
        folder: path; nothing happens when it does not exist.
    """
    for partial in pathlib.Path(folder).glob(".partial-*"):
        if not _another_writes(partial):
            partial.unlink(missing_ok=True)


def _another_writes(partial):
    """Whether the process of a partial file is another than this one, and alive."""
    number = partial.name.split("-")[1]
    if not number.isdigit() or int(number) == os.getpid():
        return False
    try:
        os.kill(int(number), 0)  # sends nothing
    except (ProcessLookupError, OverflowError):
        return False
    except OSError:  # not ours to signal: alive
        pass
    return True
