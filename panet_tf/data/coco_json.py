"""Any COCO JSON and its folder of images as a TFDS data set."""

import collections
import concurrent.futures
import dataclasses
import json
import os
import pathlib
import sys
from collections.abc import Mapping

import numpy as np
import tensorflow_datasets as tfds
import tqdm

from panet_tf.data import embedded_paths, image_files
from panet_tf.data.coco_annotations import CocoAnnotations
from panet_tf.data.mask_grids import GRID_SIZE
from panet_tf.data.problem_report import ProblemReport


@dataclasses.dataclass(eq=False)
class CocoJsonConfig(tfds.core.BuilderConfig):
    """What a `CocoJson` data set is made of.

    Attributes:
        name: str, name of the configuration, part of the folder that the data set is written to.
        splits: dict from a split's name to (path of the COCO JSON, folder of its images).
        categories: None for the list of the first split's file; or a tuple of names or of dicts, see `CocoAnnotations`.
            The other splits must agree with that list.
        keep_empty: bool, keep images without a usable annotation. Defaults to True.
        progress: bool, show a progress bar with an estimate of what is left. Defaults to False.
    """

    splits: Mapping[str, tuple[str, str]] = dataclasses.field(default_factory=dict)
    categories: tuple | None = None
    keep_empty: bool = True
    progress: bool = False


class CocoJson(tfds.core.GeneratorBasedBuilder):
    """TFDS builder of COCO JSON files: polygons, run lengths, crowds, boxes only, keypoints.

    Every annotation and image is checked on the way, see `CocoAnnotations` and `image_files.read_image` for the rules.
    What was skipped or repaired is in `report_<split>.json` beside the shards, its counts in the metadata. Metadata
    hold the original category dicts.

    An example of a split: `image` uint8 (h, w, 3); `image_id`, `height`, `width` int64; `file_name`; `objects` with,
    over n objects, `id` int64, `box` float32 (n, 4) yxyx in pixels, `class` int32 (1..K in the order of the
    categories), `is_crowd`, `area`, `mask` uint8 (n, 112, 14) (bits of a 112 x 112 sample over the box), `segmentation`
    (compressed RLE of the whole image), `exact_box` float64 (n, 4) xywh and `exact_area` float64 as the file has them,
    and `keypoints` float32 (n, J, 3) where there are any.

    Example:
        >>> import panet_tf.data.coco_json  # registers the builder
        >>> tfds.load("coco_json/nuclei_mini", split="train[:80%]")
        >>> splits = {"train": ("train.json", "train/"), "val": ("val.json", "val/")}
        >>> config = CocoJsonConfig(name="cells", splits=splits)
        >>> tfds.load("coco_json", builder_kwargs={"config": config}, split="val")
    """

    VERSION = tfds.core.Version("1.0.0")
    BUILDER_CONFIGS = [
        CocoJsonConfig(
            name="nuclei_mini",
            splits={split: embedded_paths.nuclei_mini(split) for split in ("train", "val")},
            description="80 microscope images of cell nuclei, CC0, part of this package.",
        )
    ]

    def _info(self):
        splits = self.builder_config.splits
        if not splits:
            raise ValueError(
                "CocoJsonConfig.splits must name at least one split as {name: (annotations, images)}, received none"
            )
        self._files, categories = {}, self.builder_config.categories
        for split, (annotations, images) in splits.items():
            if not pathlib.Path(images).is_dir():
                raise ValueError(f"images of split {split!r} must be a folder, received {images}")
            self._files[split] = CocoAnnotations(annotations, categories=categories)
            if split == next(iter(splits)):
                categories = self._files[split].categories
            self._check_shared(split, categories)
        num_keypoints = max(f.num_keypoints for f in self._files.values())
        return tfds.core.DatasetInfo(
            builder=self,
            description="Images and instance annotations of COCO JSON files.",
            features=_features(num_keypoints),
            metadata=tfds.core.MetadataDict(
                categories=list(categories), splits={s: str(a) for s, (a, _) in splits.items()}
            ),
        )

    def _check_shared(self, split, categories):
        known = {c["id"] for c in categories}
        file = self._files[split]
        if self.builder_config.categories is None and file.listed_ids - known:
            raise ValueError(
                f"splits must share one list of categories; {file.path} of split {split!r} has ids that the first "
                f"split's file lacks: {sorted(file.listed_ids - known)}. Pass categories= to choose the list."
            )

    def _split_generators(self, dl_manager):
        del dl_manager
        return {split: self._generate_examples(split) for split in self.builder_config.splits}

    def _generate_examples(self, split):
        """Yields (image id, example) in the file's order; images are read ahead by a few threads."""
        coco, folder = self._files[split], pathlib.Path(self.builder_config.splits[split][1])
        report = ProblemReport()
        report.merge(coco.report)
        images = tqdm.tqdm(
            coco.images,
            desc=f"Preparing {split}",
            unit=" images",
            disable=not self.builder_config.progress,
            file=sys.stderr,
        )
        num_written = 0
        for image, (example, problems) in _ordered(images, lambda image: self._example(coco, folder, image)):
            report.merge(problems)
            if example is None:
                continue
            num_written += 1
            yield image["id"], example
        if not num_written:
            raise ValueError(
                f"a data set needs images, none of the {len(coco.images)} of {coco.path} can be used with the folder "
                f"{folder}:\n{report.summary(max_listed=3)}"
            )
        self.info.metadata.setdefault("problems", {})[split] = [[a, r, n] for (a, r), n in report.counts.items()]
        (self.data_path / f"report_{split}.json").write_text(json.dumps(report.to_dict()))

    def _example(self, coco, folder, image):
        report = ProblemReport()
        try:
            path = _find(folder, image["file_name"])
            data, height, width, notes = image_files.read_image(path, height=image["height"], width=image["width"])
        except ValueError as e:
            rule, _, detail = str(e).partition(": ")
            report.add("skipped image", rule, file=image["file_name"], image_id=image["id"], detail=detail)
            return None, report
        for rule, detail in notes:
            report.add("note", rule, file=image["file_name"], image_id=image["id"], detail=detail)
        objects = coco.objects(image, height=height, width=width, report=report)
        if not len(objects["id"]):
            if not self.builder_config.keep_empty:
                report.add(
                    "skipped image",
                    "no annotation, and keep_empty is off",
                    file=image["file_name"],
                    image_id=image["id"],
                )
                return None, report
            report.add("note", "image without a usable annotation, kept", file=image["file_name"], image_id=image["id"])
        objects["segmentation"] = list(objects["segmentation"])
        example = {
            "image": data,
            "image_id": image["id"],
            "file_name": image["file_name"],
            "height": height,
            "width": width,
            "objects": objects,
        }
        return example, report


def _features(num_keypoints):
    """All but images as raw bytes: integer lists of protos would double their size, and know no float64."""

    def tensor(dtype, *shape):
        return tfds.features.Tensor(shape=(None, *shape), dtype=dtype, encoding="bytes")

    objects = {
        "id": tensor(np.int64),
        "box": tensor(np.float32, 4),
        "class": tensor(np.int32),
        "is_crowd": tfds.features.Tensor(shape=(None,), dtype=np.bool_),
        "area": tensor(np.float32),
        "mask": tensor(np.uint8, GRID_SIZE, GRID_SIZE // 8),
        "segmentation": tfds.features.Tensor(shape=(None,), dtype=np.object_),
        "exact_box": tensor(np.float64, 4),
        "exact_area": tensor(np.float64),
    }
    if num_keypoints:
        objects["keypoints"] = tensor(np.float32, num_keypoints, 3)
    return tfds.features.FeaturesDict(
        {
            "image": tfds.features.Image(shape=(None, None, 3)),
            "image_id": tfds.features.Scalar(np.int64),
            "height": tfds.features.Scalar(np.int64),
            "width": tfds.features.Scalar(np.int64),
            "file_name": tfds.features.Text(),
            "objects": tfds.features.FeaturesDict(objects),
        }
    )


def _find(folder, file_name):
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
