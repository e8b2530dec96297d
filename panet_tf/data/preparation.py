"""Preparing a data set once, and finding what was prepared again."""

import contextlib
import functools
import hashlib
import io
import json
import logging
import os
import pathlib
import re

import tensorflow_datasets as tfds
from absl import logging as absl_logging
from tensorflow_datasets.core.utils import tqdm_utils

from panet_tf.data.problem_report import ProblemReport

SPLIT = "examples"


def prepare(make_builder, *, kind, version, stem, digest, cache=None):
    """Writes a TFDS data set of one split, unless that was done before. An interrupted run leaves nothing that a later
    one takes for whole.

    Args:
        make_builder: function of (folder, name of the configuration) that gives the TFDS builder.
        kind: str, the builder's name, a folder of the cache.
        version: the builder's version.
        stem: str, what people know the data by; part of the folder's name.
        digest: str, fingerprint of all that the result depends on, see `fingerprint`.
        cache: folder. Defaults to `$XDG_CACHE_HOME/panet_tf`, `~/.cache/panet_tf`.

    Returns:
        `pathlib.Path` of the TFDS folder, for `read_builder` and `read_report`.
    """
    if cache is None:
        cache = pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache") / "panet_tf"
    cache, short = pathlib.Path(cache).expanduser(), re.sub(r"[^A-Za-z0-9_]+", "_", stem)[:40]
    name = f"{short}-{digest[:16]}"
    folder = cache / kind / name / str(version)
    if folder.exists():
        return folder
    with quiet_tfds(), contextlib.redirect_stdout(io.StringIO()):
        builder = make_builder(str(cache), name)
        try:
            builder.download_and_prepare(download_config=tfds.download.DownloadConfig(try_download_gcs=False))
        except OSError:
            if not folder.exists():  # else another process has put its result there first
                raise
    counts = read_report(folder).summary()
    if counts:
        logging.getLogger(__name__).warning("%s:\n%s", stem, counts)
    return folder


def fingerprint(*, files, folders, settings):
    """Hex digest of the content of files, of the names, sizes and times of what lies in folders, and of settings."""
    digest = hashlib.sha256()
    for file in files:
        with open(file, "rb") as content:  # piece by piece: files of proposals may be larger than memory
            for piece in iter(functools.partial(content.read, 1 << 20), b""):
                digest.update(piece)
    digest.update(json.dumps(settings, sort_keys=True, default=str).encode())
    for folder in folders:
        for root, inner, names in os.walk(folder):
            inner.sort()
            for name in sorted(names):
                path = pathlib.Path(root, name)
                state = path.stat()
                digest.update(f"{path.relative_to(folder)} {state.st_size} {state.st_mtime_ns}\n".encode())
    return digest.hexdigest()


def read_builder(folder):
    """Returns the TFDS builder of a prepared folder."""
    with quiet_tfds():
        return tfds.builder_from_directory(folder)


def read_report(folder):
    """Returns the `ProblemReport` of a prepared folder."""
    return ProblemReport.from_dict(json.loads((pathlib.Path(folder) / f"report_{SPLIT}.json").read_text()))


@contextlib.contextmanager
def quiet_tfds():
    """TFDS's bars have no total, and its warnings speak of its own code; our builders show the progress."""
    active, verbosity = getattr(tqdm_utils, "_active", True), absl_logging.get_verbosity()
    tqdm_utils.display_progress_bar(False)
    absl_logging.set_verbosity(absl_logging.ERROR)
    try:
        yield
    finally:
        tqdm_utils.display_progress_bar(active)
        absl_logging.set_verbosity(verbosity)
