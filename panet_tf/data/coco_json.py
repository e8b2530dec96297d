"""Any COCO JSON and its folder of images as a TFDS data set."""

import dataclasses
import pathlib
from collections.abc import Mapping

import tensorflow_datasets as tfds

from panet_tf.data import embedded_paths
from panet_tf.data.coco_annotations import CocoAnnotations
from panet_tf.data.image_builder import ImageBuilder, find_image, image_features


@dataclasses.dataclass(eq=False)
class CocoJsonConfig(tfds.core.BuilderConfig):
    """What a `CocoJson` data set is made of.

    Attributes:
        name: str, name of the configuration, part of the folder that the data set is written to.
        splits: dict from a split's name to (path of the COCO JSON, folder of its images).
        categories: None for the list of the first split's file; or a tuple of names or of dicts, see `CocoAnnotations`.
            The other splits must agree with that list.
        keep_empty: bool, keep images without a usable annotation; a file may then have no `annotations` at all, only
            `images` and `categories`. Defaults to True.
        progress: bool, show a progress bar with an estimate of what is left. Defaults to False.
    """

    splits: Mapping[str, tuple[str, str]] = dataclasses.field(default_factory=dict)
    categories: tuple | None = None
    keep_empty: bool = True
    progress: bool = False


class CocoJson(ImageBuilder):
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
            self._files[split] = CocoAnnotations(
                annotations, categories=categories, images_alone=self.builder_config.keep_empty
            )
            if split == next(iter(splits)):
                categories = self._files[split].categories
            self._check_shared(split, categories)
        num_keypoints = max(f.num_keypoints for f in self._files.values())
        return tfds.core.DatasetInfo(
            builder=self,
            description="Images and instance annotations of COCO JSON files.",
            features=image_features(num_keypoints),
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

    def _image_file(self, split, image):
        return find_image(pathlib.Path(self.builder_config.splits[split][1]), image["file_name"])

    def _annotate(self, split, image, height, width, report):
        objects = self._files[split].objects(image, height=height, width=width, report=report)
        objects["segmentation"] = list(objects["segmentation"])
        return {"objects": objects}
