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
    """Removes what processes that died while writing have left in a folder.

    Args:
        folder: path; nothing happens when it does not exist.
    """
    for partial in pathlib.Path(folder).glob(".partial-*"):
        partial.unlink(missing_ok=True)
