"""Preparing a COCO JSON once, and finding what was prepared again."""

import contextlib
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

from panet_tf.data.coco_json import CocoJson, CocoJsonConfig
from panet_tf.data.problem_report import ProblemReport

SPLIT = "examples"


def prepare_coco_json(*, annotations, images, cache=None, categories=None, keep_empty=True, progress=True):
    """Writes a COCO JSON and its images as a TFDS data set of one split, unless that was done before.

    What was done before is found by a fingerprint of the JSON's content, of the names, sizes and times of the files in
    the image folder, and of the settings. An interrupted run leaves nothing that a later one takes for whole.

    Args:
        annotations, images: paths of the COCO JSON and of the folder of its images.
        cache: folder. Defaults to `$XDG_CACHE_HOME/panet_tf`, `~/.cache/panet_tf`.
        categories, keep_empty: see `CocoAnnotations`, `CocoJsonConfig`.
        progress: bool, show a progress bar. The counts of what was wrong are logged as a warning in any case.

    Returns:
        `pathlib.Path` of the TFDS folder, for `read_builder` and `read_report`.

    Raises:
        ValueError: when the data set is unusable as a whole.
    """
    if cache is None:
        cache = pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache") / "panet_tf"
    cache, stem = pathlib.Path(cache).expanduser(), re.sub(r"[^A-Za-z0-9_]+", "_", pathlib.Path(annotations).stem)
    name = f"{stem[:40]}-{_fingerprint(annotations, images, [categories, keep_empty])[:16]}"
    folder = cache / "coco_json" / name / str(CocoJson.VERSION)
    if folder.exists():
        return folder
    config = CocoJsonConfig(
        name=name,
        splits={SPLIT: (str(annotations), str(images))},
        categories=categories,
        keep_empty=keep_empty,
        progress=progress,
    )
    with quiet_tfds(), contextlib.redirect_stdout(io.StringIO()):
        builder = CocoJson(data_dir=str(cache), config=config)
        try:
            builder.download_and_prepare(download_config=tfds.download.DownloadConfig(try_download_gcs=False))
        except OSError:
            if not folder.exists():  # else another process has put its result there first
                raise
    counts = read_report(folder).summary()
    if counts:
        logging.getLogger(__name__).warning("%s:\n%s", annotations, counts)
    return folder


def read_builder(folder):
    """Returns the TFDS builder of a prepared folder."""
    with quiet_tfds():
        return tfds.builder_from_directory(folder)


def read_report(folder):
    """Returns the `ProblemReport` of a prepared folder."""
    return ProblemReport.from_dict(json.loads((pathlib.Path(folder) / f"report_{SPLIT}.json").read_text()))


def _fingerprint(annotations, images, settings):
    digest = hashlib.sha256(pathlib.Path(annotations).read_bytes())
    digest.update(json.dumps([settings, str(CocoJson.VERSION)], sort_keys=True, default=str).encode())
    for root, folders, files in os.walk(images):
        folders.sort()
        for file in sorted(files):
            path = pathlib.Path(root, file)
            state = path.stat()
            digest.update(f"{path.relative_to(images)} {state.st_size} {state.st_mtime_ns}\n".encode())
    return digest.hexdigest()


@contextlib.contextmanager
def quiet_tfds():
    """TFDS's bars have no total, and its warnings speak of its own code; `CocoJson` shows the progress."""
    active, verbosity = getattr(tqdm_utils, "_active", True), absl_logging.get_verbosity()
    tqdm_utils.display_progress_bar(False)
    absl_logging.set_verbosity(absl_logging.ERROR)
    try:
        yield
    finally:
        tqdm_utils.display_progress_bar(active)
        absl_logging.set_verbosity(verbosity)
