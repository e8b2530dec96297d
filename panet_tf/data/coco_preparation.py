"""Preparing a COCO JSON once."""

import pathlib

from panet_tf.data.coco_json import CocoJson, CocoJsonConfig
from panet_tf.data.preparation import SPLIT, fingerprint, prepare


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

    def make_builder(folder, name):
        config = CocoJsonConfig(
            name=name,
            splits={SPLIT: (str(annotations), str(images))},
            categories=categories,
            keep_empty=keep_empty,
            progress=progress,
        )
        return CocoJson(data_dir=folder, config=config)

    settings = [categories, keep_empty, str(CocoJson.VERSION)]
    return prepare(
        make_builder,
        kind="coco_json",
        version=CocoJson.VERSION,
        stem=pathlib.Path(annotations).stem,
        digest=fingerprint(files=[annotations], folders=[images], settings=settings),
        cache=cache,
    )
