"""Panoptic data sets of any kind as one TFDS data set."""

import dataclasses
from collections.abc import Mapping

import numpy as np
import tensorflow_datasets as tfds

from panet_tf.data.image_builder import ImageBuilder, image_features, rows
from panet_tf.data.panoptic_objects import assign_segments, clean_segments, panoptic_features_of, thing_objects
from panet_tf.ops.semantic_classes import semantic_classes

_IDS_PER_IMAGE = 1 << 16


@dataclasses.dataclass(eq=False)
class PanopticConfig(tfds.core.BuilderConfig):
    """What a `PanopticImages` data set is made of.

    Attributes:
        name: str, name of the configuration, part of the folder that the data set is written to.
        splits: dict from a split's name to its files: `CocoPanopticFiles`, `CityscapesFiles`, `VistasFiles`,
            `TfdsPanopticFiles`.
        categories: None for the list of the first split's files; or a tuple of names or of dicts out of it.
        keep_empty: bool, keep images without a usable segment. Defaults to True.
        progress: bool, show a progress bar with an estimate of what is left. Defaults to False.
    """

    splits: Mapping[str, object] = dataclasses.field(default_factory=dict)
    categories: tuple | None = None
    keep_empty: bool = True
    progress: bool = False


class PanopticImages(ImageBuilder):
    """TFDS builder of images with a panoptic map: things and stuff, crowds, void.

    **Files** are any object with `path` (for messages), `report`, `images` (iterable of dicts `{"id", "file_name",
    "height", "width"}`, with a length; sizes may be None), `choose(categories)`, which gives the tuple of panoptic
    categories to use and a dict from a category's id to its place in that tuple (1..P; 0 for one that is left out),
    `image_file(image)`, path or bytes, and `segments(image, height, width)`, the ids int (h, w) and a list of dicts
    as in COCO's panoptic JSON; optionally `instances(things)`, a `CocoAnnotations` whose instances are used instead
    of the segments of things. What is wrong with an image or a segment is reported by the rules of `clean_segments`.

    An example has what one of `CocoJson` has, `objects/segment` int32 (n,), the number of the segment that shows the
    instance (0: none), `panoptic` uint16 (h, w, 1), number of the segment at each pixel, 0 for void, and `segments` of
    S segments: `id` int64, the data set's; `category` int32 1..P; `is_crowd`; `area` int64; `box` int32 (S, 4) yxyx.

    Example:
        >>> files = CocoPanopticFiles(annotations="panoptic_val.json", panoptic="panoptic_val", images="val")
        >>> config = PanopticConfig(name="mine", splits={"val": files})
        >>> tfds.load("panoptic_images", builder_kwargs={"config": config}, split="val")
    """

    VERSION = tfds.core.Version("1.0.0")

    def _info(self):
        splits = self.builder_config.splits
        if not splits:
            raise ValueError("PanopticConfig.splits must name at least one split as {name: files}, received none")
        self._files, self._category_of, categories = dict(splits), {}, self.builder_config.categories
        for split, files in splits.items():
            categories, self._category_of[split] = files.choose(categories)
        self._classes = semantic_classes(categories, "stuff_plus_thing")  # its number of classes is not used
        things = tuple(categories[place - 1] for place in self._classes.thing_category[1:])
        self._instances = {
            split: files.instances(things) if hasattr(files, "instances") else None for split, files in splits.items()
        }
        segments = {
            "id": rows(np.int64),
            "category": rows(np.int32),
            "is_crowd": tfds.features.Tensor(shape=(None,), dtype=np.bool_),
            "area": rows(np.int64),
            "box": rows(np.int32, 4),
        }
        return tfds.core.DatasetInfo(
            builder=self,
            description="Images with panoptic segments.",
            features=image_features(
                max((i.num_keypoints for i in self._instances.values() if i), default=0),
                objects={"segment": rows(np.int32)},
                panoptic=tfds.features.Image(shape=(None, None, 1), dtype=np.uint16, encoding_format="png"),
                segments=tfds.features.FeaturesDict(segments),
            ),
            metadata=tfds.core.MetadataDict(
                categories=list(categories), splits={split: str(files.path) for split, files in splits.items()}
            ),
        )

    def _image_file(self, split, image):
        return self._files[split].image_file(image)

    def _annotate(self, split, image, height, width, report):
        def add(action, rule, detail, identity):
            place = {"file": image["file_name"], "image_id": image["id"], "annotation_id": identity}
            report.add(action, rule, detail=detail, **place)

        ids, given = self._files[split].segments(image, height, width)
        if ids.shape != (height, width):
            sizes = f"{ids.shape[1]} x {ids.shape[0]} and {width} x {height}"
            raise ValueError(f"size (width x height) differs between panoptic map and image: {sizes}")
        segment_map, segments = clean_segments(
            given, ids, category_of=self._category_of[split], is_thing=self._classes.is_thing, add=add
        )
        instances = self._instances[split]
        if instances is None:
            first = (image["position"] + 1) * _IDS_PER_IMAGE
            objects = thing_objects(segment_map, segments, self._classes.thing_class, first)
        else:
            objects = instances.objects(image, height=height, width=width, report=report)
            objects = assign_segments(objects, segment_map, segments, self._classes.thing_class, add)
        return panoptic_features_of(segment_map, segments, objects)
