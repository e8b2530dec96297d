"""What TFDS builders of images on disk have in common: reading ahead, checking, and a report of what was wrong."""

import collections
import concurrent.futures
import json
import os
import sys

import numpy as np
import tensorflow_datasets as tfds
import tqdm

from panet_tf.data import image_files
from panet_tf.data.mask_grids import GRID_SIZE
from panet_tf.data.problem_report import ProblemReport


class ImageBuilder(tfds.core.GeneratorBasedBuilder, skip_registration=True):
    """Base of builders that write each image of a file list, checked, with what `_annotate` makes of it.

    A subclass sets `self._files`, dict from a split's name to an object with `images` (iterable of dicts `{"id",
    "file_name", "height", "width"}`, with a length), `report` and `path` (for messages). It has
    `_image_file(split, image)`, path or bytes of an image, and `_annotate(split, image, height, width, report)`, dict
    of the example's further features, with `objects`; there images have a `position` too. Both may raise a
    `ValueError`, whose message is the rule that is broken, and ": " and what was received: the image is skipped. The
    configuration has `splits`, `keep_empty` and `progress`.
    """

    def _split_generators(self, dl_manager):
        del dl_manager
        return {split: self._generate_examples(split) for split in self.builder_config.splits}

    def _generate_examples(self, split):
        """Yields (image id, example) in the file's order; images are read ahead by a few threads."""
        files, report = self._files[split], ProblemReport()
        listed = files.images
        report.merge(files.report)  # after the list was read, which may have found something
        images = tqdm.tqdm(
            listed,
            desc=f"Preparing {split}",
            unit=" images",
            disable=not self.builder_config.progress,
            file=sys.stderr,
        )
        num_written = 0
        placed = ({**image, "position": position} for position, image in enumerate(images))
        for image, (example, problems) in _ordered(placed, lambda image: self._example(split, image)):
            report.merge(problems)
            if example is None:
                continue
            num_written += 1
            yield image["id"], example
        if not num_written:
            raise ValueError(
                f"a data set needs images, none of the {len(listed)} of {files.path} can be used:\n"
                f"{report.summary(max_listed=3)}"
            )
        self.info.metadata.setdefault("problems", {})[split] = [[a, r, n] for (a, r), n in report.counts.items()]
        (self.data_path / f"report_{split}.json").write_text(json.dumps(report.to_dict()))

    def _example(self, split, image):
        report = ProblemReport()
        place = {"file": image["file_name"], "image_id": image["id"]}
        try:
            file = self._image_file(split, image)
            data, height, width, notes = image_files.read_image(file, height=image["height"], width=image["width"])
            for rule, detail in notes:
                report.add("note", rule, detail=detail, **place)
            annotated = self._annotate(split, image, height, width, report)
        except ValueError as e:
            rule, _, detail = str(e).partition(": ")
            report.add("skipped image", rule, detail=detail, **place)
            return None, report
        if not len(annotated.get("segments", annotated["objects"])["id"]):
            if not self.builder_config.keep_empty:
                report.add("skipped image", "no annotation, and keep_empty is off", **place)
                return None, report
            report.add("note", "image without a usable annotation, kept", **place)
        example = {
            "image": data,
            "image_id": image["id"],
            "file_name": image["file_name"],
            "height": height,
            "width": width,
            **annotated,
        }
        return example, report


def image_features(num_keypoints=0, objects=None, **more):
    """Features of an example: all but images as raw bytes, as integer lists of protos would double their size, and know
    no float64.

    Args:
        num_keypoints: int J, 0 for none.
        objects: dict of further features of the objects.
        **more: further features.
    """
    values = {
        "id": rows(np.int64),
        "box": rows(np.float32, 4),
        "class": rows(np.int32),
        "is_crowd": tfds.features.Tensor(shape=(None,), dtype=np.bool_),
        "area": rows(np.float32),
        "mask": rows(np.uint8, GRID_SIZE, GRID_SIZE // 8),
        "segmentation": tfds.features.Tensor(shape=(None,), dtype=np.object_),
        "exact_box": rows(np.float64, 4),
        "exact_area": rows(np.float64),
    }
    if num_keypoints:
        values["keypoints"] = rows(np.float32, num_keypoints, 3)
    values.update(objects or {})
    return tfds.features.FeaturesDict(
        {
            "image": tfds.features.Image(shape=(None, None, 3)),
            "image_id": tfds.features.Scalar(np.int64),
            "height": tfds.features.Scalar(np.int64),
            "width": tfds.features.Scalar(np.int64),
            "file_name": tfds.features.Text(),
            "objects": tfds.features.FeaturesDict(values),
            **more,
        }
    )


def rows(dtype, *shape):
    """Feature of an array with a row for each of any number of things."""
    return tfds.features.Tensor(shape=(None, *shape), dtype=dtype, encoding="bytes")


def find_image(folder, file_name):
    """The file under its own name, else under its last part: exports often name folders of their own machine."""
    path = folder / file_name.replace("\\", "/")
    try:
        return path if path.exists() else folder / path.name
    except OSError as e:  # a name longer than the system allows
        raise ValueError("image file is missing") from e


def _ordered(items, function):
    """Yields (item, function(item)) in order, computed ahead by as many threads as there are cores."""
    workers = min(8, os.cpu_count() or 1)
    waiting = collections.deque()
    with concurrent.futures.ThreadPoolExecutor(workers) as pool:
        for item in items:
            waiting.append((item, pool.submit(function, item)))
            if len(waiting) > 4 * workers:
                done, future = waiting.popleft()
                yield done, future.result()
        for done, future in waiting:
            yield done, future.result()
