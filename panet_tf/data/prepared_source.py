"""A source of images that were prepared once as TFDS records, and are read at random places."""

import json
import os
import pathlib
import re

import numpy as np
import tensorflow as tf
import tensorflow_datasets as tfds

from panet_tf.data.preparation import SPLIT, quiet_tfds, read_builder, read_report
from panet_tf.data.record_files import find_records, read_record, rows_of_part


class PreparedSource:
    """What sources of prepared records have in common; `CocoSource` and `PanopticSource` say how they are prepared.

    Records are read at random places of the shards, inside the graph: an epoch's order is an exact permutation, and
    samples left out at the start of an order cost nothing.

    Args:
        name: str, what people know the data by, for messages.
        part: None for all, or a slice as TFDS writes it, such as `"[:80%]"`, `"[80%:]"` or `"[100:]"`.

    A subclass has `_prepare()`, which gives the folder of the prepared data; it is called once, on first use.
    """

    def __init__(self, *, name, part):
        if part is not None and not re.fullmatch(r"\[[^\[\]]*:[^\[\]]*\]", part):
            raise ValueError(f'part must be a slice such as "[:80%]" or "[100:]", received {part!r}')
        self._name, self._part = str(name), SPLIT + (part or "")
        self._loaded = None

    def _prepare(self):
        raise NotImplementedError

    @property
    def builder(self):
        return self._load()["builder"]

    @property
    def categories(self):
        return self._load()["categories"]

    @property
    def num_examples(self):
        return len(self._load()["facts"]["offset"])

    @property
    def image_sizes(self):
        return self._load()["facts"]["image_size"]

    @property
    def num_objects(self):
        return self._load()["facts"]["num_objects"]

    @property
    def image_ids(self):
        return self._load()["facts"]["image_id"]

    @property
    def report(self):
        return self._load()["report"]

    def sample(self, index):
        """Reads one raw sample.

        Args:
            index: int or scalar int64 tensor, 0 .. num_examples - 1; inside `Dataset.map` as well as eagerly.

        Returns:
            Dict of tensors: `image` uint8 (h, w, 3), `image_id` int64, `file_name` string, `height`, `width` int64, and
            `objects` of n objects: `id` int64 (n,), `box` float32 (n, 4) yxyx in pixels, `class` int32 (n,), `is_crowd`
            bool (n,), `area` float32 (n,), `mask` uint8 (n, 112, 14), `segmentation` string (n,), and `keypoints`
            float32 (n, J, 3) of y, x, visibility where the categories have keypoints.
        """
        sample = self._read(index)
        sample["image"] = tf.ensure_shape(
            tf.io.decode_image(sample["image"], channels=3, expand_animations=False), (None, None, 3)
        )
        for key in ("exact_box", "exact_area"):
            del sample["objects"][key]
        return sample

    def samples(self, shuffle_seed=None, start=0):
        """Returns a `tf.data.Dataset` of raw samples, one pass.

        Args:
            shuffle_seed: None for the data set's order; or int or scalar int64 tensor: a permutation of all samples,
                the same for the same seed.
            start: int or scalar int64 tensor, samples of that order to leave out at the front; they are not read.
        """
        self._load()
        order = tf.range(self.num_examples, dtype=tf.int64)
        if shuffle_seed is not None:  # Dataset.shuffle would depend on the global seed too
            seed = tf.stack([tf.cast(shuffle_seed, tf.int64), 0])
            order = tf.random.experimental.stateless_shuffle(order, seed=seed, alg="philox")
        order = tf.data.Dataset.from_tensor_slices(order[start:])
        return order.map(self.sample, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)

    def coco_ground_truth(self):
        """Returns the annotations of this source's images as a COCO dict for evaluators.

        Ids of images, annotations and categories are the file's; segmentations are compressed RLE; boxes and areas
        are the file's float64 values. So pycocotools gives the numbers it gives for the file itself, but for what
        `report` says was skipped or repaired.
        """
        dataset = tf.data.Dataset.range(self.num_examples).map(
            self._read, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True
        )
        ids = [c["id"] for c in self.categories]
        images, annotations = [], []
        for sample in dataset.map(lambda s: {k: v for k, v in s.items() if k != "image"}).as_numpy_iterator():
            height, width, image_id = int(sample["height"]), int(sample["width"]), int(sample["image_id"])
            images.append({"id": image_id, "file_name": sample["file_name"].decode(), "height": height, "width": width})
            objects = sample["objects"]
            for i, number in enumerate(objects["id"].tolist()):
                annotation = {
                    "id": number,
                    "image_id": image_id,
                    "category_id": ids[objects["class"][i] - 1],
                    "segmentation": {"size": [height, width], "counts": objects["segmentation"][i].decode("ascii")},
                    "area": float(objects["exact_area"][i]),
                    "bbox": objects["exact_box"][i].tolist(),
                    "iscrowd": int(objects["is_crowd"][i]),
                }
                if "keypoints" in objects:
                    annotation.update(_coco_keypoints(objects["keypoints"][i]))
                annotations.append(annotation)
        return {
            "info": {"description": self._name},
            "images": images,
            "annotations": annotations,
            "categories": [dict(c) for c in self.categories],
        }

    def _read(self, index):
        """Reads one example, its image still encoded."""
        loaded = self._load()
        index = tf.cast(index, tf.int64)
        file, offset, length = (loaded["places"][key][index] for key in ("file", "offset", "length"))
        return _decode(loaded["builder"], read_record(file, offset, length))

    def _load(self):
        if self._loaded is None:
            with tf.init_scope(), tf.device("CPU"):  # the first use may be within a graph
                folder = self._prepare()
                builder = read_builder(folder)
                facts = _facts(folder, builder)
                rows = self._rows(builder, facts)
                facts = {key: value[rows] if key != "files" else value for key, value in facts.items()}
                self._loaded = {
                    "builder": builder,
                    "categories": tuple(_plain(c) for c in builder.info.metadata["categories"]),
                    "report": read_report(folder),
                    "facts": facts,
                    "places": {
                        "file": tf.constant(facts["files"][facts["shard"]]),
                        "offset": tf.constant(facts["offset"]),
                        "length": tf.constant(facts["length"]),
                    },
                }
        return self._loaded

    def _rows(self, builder, facts):
        try:
            part = builder.info.splits[self._part]
        except Exception as e:  # TFDS raises several of its own
            raise ValueError(f'part must be a slice such as "[:80%]" or "[100:]", received {self._part!r}: {e}') from e
        rows = rows_of_part(part, facts["files"].tolist(), facts["shard"])
        if not len(rows):
            raise ValueError(f"part must hold at least one image, received {self._part!r} of {self._name}")
        return rows


def _decode(builder, record):
    """An example from a record's bytes, its image and its segment map still encoded."""
    features = builder.info.features
    encoded = {key: tfds.decode.SkipDecoding() for key in ("image", "panoptic") if key in features}
    with quiet_tfds():
        return features.deserialize_example(record, decoders=encoded)


def _facts(folder, builder):
    """Where every record lies, and what is needed of all at once; read from the records once, then kept beside them."""
    path = folder / "facts.npz"
    if not path.exists() or "image_id" not in np.load(path):  # earlier versions kept no ids
        files = [str(f) for f in builder.info.splits[SPLIT].filepaths]

        def facts(record):
            example = _decode(builder, record)
            objects = tf.reduce_sum(tf.cast(~example["objects"]["is_crowd"], tf.int64))
            return tf.stack([example["height"], example["width"], objects, example["image_id"]])

        rows = list(tf.data.TFRecordDataset(files).map(facts, num_parallel_calls=tf.data.AUTOTUNE).as_numpy_iterator())
        values = np.array(rows, np.int64).reshape(-1, 4)
        part = path.with_name(f"facts.{os.getpid()}.part.npz")  # another process may do the same
        np.savez(
            part,
            files=[pathlib.Path(f).name for f in files],
            image_size=values[:, :2],
            num_objects=values[:, 2],
            image_id=values[:, 3],
            **find_records(files),
        )
        part.replace(path)
    with np.load(path) as saved:
        facts = dict(saved)
    facts["files"] = np.array([str(folder / name) for name in facts["files"]])
    return facts


def _plain(category):
    """A category as plain dicts and lists, whatever TFDS made of it."""
    return json.loads(json.dumps(category))


def _coco_keypoints(points):
    labelled = points[:, 2] > 0
    y, x, visible = np.asarray(points, np.float64).T
    flat = np.stack([np.where(labelled, x - 0.5, 0), np.where(labelled, y - 0.5, 0), visible], axis=-1)
    return {"keypoints": flat.reshape(-1).tolist(), "num_keypoints": int(labelled.sum())}
