"""A COCO JSON as a source of training and evaluation: prepared once, then read at random places."""

import contextlib
import hashlib
import io
import json
import os
import pathlib
import re
import struct

import gin
import numpy as np
import tensorflow as tf
import tensorflow_datasets as tfds
from tensorflow_datasets.core.utils import tqdm_utils

from panet_tf.data.coco_json import CocoJson, CocoJsonConfig
from panet_tf.data.problem_report import ProblemReport

_SPLIT = "examples"


@gin.register(module="panet_tf")
class CocoSource:
    """Annotated images of a COCO JSON file.

    On first use the images and annotations are checked and written to a TFDS data set (`CocoJson`) in a cache folder; later uses, also of other
    processes, read that, as long as the JSON, the settings, and the names, sizes and times of the image files are unchanged.
    Records are read at random places of the shards, inside the graph: an epoch's order is an exact permutation, and samples
    left out at the start of an order cost nothing.

    Args:
        annotations: path of the COCO JSON.
        images: folder of its images.
        part: None for all, or a slice as TFDS writes it, such as `"[:80%]"`, `"[80%:]"` or `"[100:]"`. The data set's order is
            random once and for all, so a slice is a random part.
        categories: None for the file's list, or a tuple of names or of dicts, see `CocoAnnotations`. Evaluation data whose file
            lists other categories take the training source's: `categories=train_source.categories`.
        keep_empty: bool, keep images without a usable annotation. Defaults to True.
        cache: folder of prepared data. Defaults to `$XDG_CACHE_HOME/panet_tf`, `~/.cache/panet_tf`. Safe to delete.
        progress: bool, show the progress of preparing, and the counts of what was wrong. Defaults to True.

    Attributes (the first use of any but `annotations` and `images` prepares the data):
        categories: tuple of dicts `{"id", "name", ...}` as in the file; class k is `categories[k - 1]`.
        num_examples: int, images.
        image_sizes: int64 (num_examples, 2), height and width.
        num_objects: int64 (num_examples,), annotations that are not crowds.
        report: `ProblemReport` of the whole file: what was skipped and repaired.
        builder: the TFDS builder of the prepared data.

    Raises:
        ValueError: when the file or the folder does not exist; on first use, when the file is unusable as a whole.

    Example:
        >>> source = CocoSource(annotations="instances_train.json", images="train/")
        >>> for sample in source.samples().take(1):
        ...     sample["image"], sample["objects"]["box"]
    """

    def __init__(self, *, annotations, images, part=None, categories=None, keep_empty=True, cache=None, progress=True):
        self.annotations, self.images = pathlib.Path(annotations), pathlib.Path(images)
        if not self.annotations.is_file():
            raise ValueError(f"annotations must be a COCO JSON file, there is none at {self.annotations}")
        if not self.images.is_dir():
            raise ValueError(f"images must be a folder, there is none at {self.images}")
        if part is not None and not re.fullmatch(r"\[[^\[\]]*:[^\[\]]*\]", part):
            raise ValueError(f'part must be a slice such as "[:80%]" or "[100:]", received {part!r}')
        self._part = _SPLIT + (part or "")
        self._wanted = tuple(categories) if categories is not None else None
        self._keep_empty, self._progress = bool(keep_empty), progress
        default = pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache") / "panet_tf"
        self._cache = pathlib.Path(cache).expanduser() if cache is not None else default
        self._loaded = None

    @property
    def builder(self):
        return self._load()["builder"]

    @property
    def categories(self):
        return self._load()["categories"]

    @property
    def num_examples(self):
        return len(self._load()["index"]["image_id"])

    @property
    def image_sizes(self):
        return self._load()["index"]["size"]

    @property
    def num_objects(self):
        return self._load()["index"]["num_objects"]

    @property
    def report(self):
        return self._load()["report"]

    def sample(self, index):
        """Reads one raw sample.

        Args:
            index: int or scalar int64 tensor, 0 .. num_examples - 1; inside `Dataset.map` as well as eagerly.

        Returns:
            Dict of tensors: `image` uint8 (h, w, 3), `image_id` int64, `file_name` string, `height`, `width` int64, and `objects` of
            n objects: `id` int64 (n,), `box` float32 (n, 4) yxyx in pixels, `class` int32 (n,), `is_crowd` bool (n,), `area`
            float32 (n,), `mask` uint8 (n, 112, 14), `segmentation` string (n,), and `keypoints` float32 (n, J, 3) of y, x,
            visibility where the categories have keypoints.
        """
        sample = self._read(index)
        sample["image"] = tf.ensure_shape(tf.io.decode_image(sample["image"], channels=3, expand_animations=False), (None, None, 3))
        for key in ("exact_box", "exact_area"):
            del sample["objects"][key]
        return sample

    def samples(self, shuffle_seed=None, start=0):
        """Returns a `tf.data.Dataset` of raw samples, one pass.

        Args:
            shuffle_seed: None for the data set's order; or int or scalar int64 tensor: a permutation of all samples, the same for the same seed.
            start: int or scalar int64 tensor, samples of that order to leave out at the front; they are not read.
        """
        self._load()
        order = tf.data.Dataset.range(self.num_examples)
        if shuffle_seed is not None:
            order = order.shuffle(self.num_examples, seed=shuffle_seed, reshuffle_each_iteration=False)
        return order.skip(start).map(self.sample, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)

    def coco_ground_truth(self):
        """Returns the annotations of this source's images as a COCO dict for evaluators.

        Ids of images, annotations and categories are the file's; segmentations are compressed RLE; boxes and areas
        are the file's float64 values. So pycocotools gives the numbers it gives for the file itself, but for what `report` says was skipped or
        repaired.
        """
        dataset = tf.data.Dataset.range(self.num_examples).map(self._read, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)
        ids = [c["id"] for c in self.categories]
        images, annotations = [], []
        for sample in dataset.map(lambda s: {k: v for k, v in s.items() if k != "image"}).as_numpy_iterator():
            height, width, image_id = int(sample["height"]), int(sample["width"]), int(sample["image_id"])
            images.append({"id": image_id, "file_name": sample["file_name"].decode(), "height": height, "width": width})
            objects = sample["objects"]
            for i, number in enumerate(objects["id"].tolist()):
                annotation = {
                    "id": number, "image_id": image_id, "category_id": ids[objects["class"][i] - 1],
                    "segmentation": {"size": [height, width], "counts": objects["segmentation"][i].decode("ascii")},
                    "area": float(objects["exact_area"][i]), "bbox": objects["exact_box"][i].tolist(),
                    "iscrowd": int(objects["is_crowd"][i]),
                }
                if "keypoints" in objects:
                    annotation.update(_coco_keypoints(objects["keypoints"][i]))
                annotations.append(annotation)
        return {"info": {"description": str(self.annotations.name)}, "images": images, "annotations": annotations,
                "categories": [dict(c) for c in self.categories]}

    def _read(self, index):
        loaded = self._load()
        where = loaded["index"]
        with tf.init_scope():
            names, shards, offsets, lengths = (tf.constant(where[k]) for k in ("files", "shard", "offset", "length"))
        index = tf.cast(index, tf.int64)
        # A data set that begins at the record's place in its file: the one way to read at random inside the graph.
        record = tf.data.experimental.from_variant(
            tf.raw_ops.TFRecordDatasetV2(filenames=names[shards[index]][None], compression_type="", buffer_size=lengths[index],
                                         byte_offsets=offsets[index][None]),
            tf.TensorSpec((), tf.string),
        ).take(1).get_single_element()
        return loaded["builder"].info.features.deserialize_example(record, decoders={"image": tfds.decode.SkipDecoding()})

    def _load(self):
        if self._loaded is None:
            folder = self._prepare()
            builder = tfds.builder_from_directory(folder)
            self._loaded = {
                "builder": builder,
                "categories": tuple(json.loads(json.dumps(c)) for c in builder.info.metadata["categories"]),
                "report": ProblemReport.from_dict(json.loads((folder / f"report_{_SPLIT}.json").read_text())),
                "index": _slice_index(_index(folder, builder), builder, self._part),
            }
            if not len(self._loaded["index"]["image_id"]):
                raise ValueError(f"part must hold at least one image, {self._part} of {self.annotations} has none")
        return self._loaded

    def _prepare(self):
        """Returns the folder of the prepared data, and prepares it where there is none."""
        name = re.sub(r"[^A-Za-z0-9_]+", "_", self.annotations.stem)[:40] + "-" + self._fingerprint()[:16]
        folder = self._cache / "coco_json" / name / str(CocoJson.VERSION)
        if (folder / f"report_{_SPLIT}.json").exists():
            return folder
        config = CocoJsonConfig(name=name, splits={_SPLIT: (str(self.annotations), str(self.images))}, categories=self._wanted,
                                keep_empty=self._keep_empty, progress=self._progress)
        builder = CocoJson(data_dir=str(self._cache), config=config)
        with _quiet_tfds():
            try:
                builder.download_and_prepare(download_config=tfds.download.DownloadConfig(try_download_gcs=False))
            except Exception:
                if not (folder / f"report_{_SPLIT}.json").exists():  # else another process was faster
                    raise
        if self._progress:
            report = ProblemReport.from_dict(json.loads((folder / f"report_{_SPLIT}.json").read_text()))
            if report.counts:
                print(f"{self.annotations}:\n{report.summary()}", flush=True)
        return folder

    def _fingerprint(self):
        digest = hashlib.sha256(self.annotations.read_bytes())
        digest.update(json.dumps([self._wanted, self._keep_empty, str(CocoJson.VERSION)], sort_keys=True, default=str).encode())
        for root, folders, files in os.walk(self.images):
            folders.sort()
            for file in sorted(files):
                path = pathlib.Path(root, file)
                state = path.stat()
                digest.update(f"{path.relative_to(self.images)} {state.st_size} {state.st_mtime_ns}\n".encode())
        return digest.hexdigest()


def _index(folder, builder):
    """Where every record lies and what is needed of all at once; read from all records once, then kept beside them."""
    path = folder / "index.npz"
    if not path.exists():
        files = [str(f) for f in builder.info.splits[_SPLIT].filepaths]
        places = [(shard, offset, length) for shard, file in enumerate(files) for offset, length in _record_places(file)]

        def facts(record):
            example = builder.info.features.deserialize_example(record, decoders={"image": tfds.decode.SkipDecoding()})
            crowds = tf.cast(example["objects"]["is_crowd"], tf.int64)
            return tf.stack([example["image_id"], example["height"], example["width"], tf.reduce_sum(1 - crowds)])

        values = np.array(list(tf.data.TFRecordDataset(files).map(facts, num_parallel_calls=2).as_numpy_iterator())).reshape(-1, 4)
        shard, offset, length = np.array(places, np.int64).reshape(-1, 3).T
        part = path.with_name(f"index.{os.getpid()}.part.npz")
        np.savez(part, shard=shard, offset=offset, length=length, image_id=values[:, 0], size=values[:, 1:3], num_objects=values[:, 3])
        part.replace(path)
    with np.load(path) as saved:
        return dict(saved)


def _slice_index(index, builder, part):
    try:
        instructions = builder.info.splits[part].file_instructions
    except Exception as e:  # TFDS raises several of its own
        raise ValueError(f'part must be a slice such as "[:80%]" or "[100:]", received {part[len(_SPLIT):]!r}: {e}') from e
    files = [str(f) for f in builder.info.splits[_SPLIT].filepaths]
    chosen = [np.zeros(0, np.int64)]
    for instruction in instructions:
        rows = np.flatnonzero(index["shard"] == files.index(str(instruction.filename)))
        stop = None if instruction.take in (None, -1) else instruction.skip + instruction.take
        chosen.append(rows[instruction.skip : stop])
    chosen = np.concatenate(chosen)
    return {**{key: value[chosen] for key, value in index.items()}, "files": np.array(files)}


def _record_places(file):
    """Yields (offset, length with its frame) of the records of a TFRecord file: length (8 bytes), its sum (4), data, their sum (4)."""
    end = os.path.getsize(file)
    with open(file, "rb") as f:
        offset = 0
        while offset < end:
            f.seek(offset)
            (length,) = struct.unpack("<Q", f.read(8))
            yield offset, length + 16
            offset += length + 16


def _coco_keypoints(points):
    labelled = points[:, 2] > 0
    y, x, visible = np.asarray(points, np.float64).T
    flat = np.stack([np.where(labelled, x - 0.5, 0), np.where(labelled, y - 0.5, 0), visible], axis=-1)
    return {"keypoints": flat.reshape(-1).tolist(), "num_keypoints": int(labelled.sum())}


@contextlib.contextmanager
def _quiet_tfds():
    """TFDS's bars have no total and its messages speak of downloads; `CocoJson` shows its own progress."""
    active = getattr(tqdm_utils, "_active", True)
    tqdm_utils.display_progress_bar(False)
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            yield
    finally:
        tqdm_utils.display_progress_bar(active)
