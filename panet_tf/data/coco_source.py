"""A COCO JSON as a source of training and evaluation: prepared once, then read at random places."""

import pathlib

import gin

from panet_tf.data.coco_lists import check_file
from panet_tf.data.coco_preparation import prepare_coco_json
from panet_tf.data.prepared_source import PreparedSource


@gin.register(module="panet_tf")
class CocoSource(PreparedSource):
    """Annotated images of a COCO JSON file.

    On first use the images and annotations are checked and written to a TFDS data set (`CocoJson`) in a cache folder;
    later uses, also of other processes, read that, as long as the JSON, the settings, and the names, sizes and times of
    the image files are unchanged.

    Args:
        annotations: path of the COCO JSON.
        images: folder of its images.
        part: None for all, or a slice as TFDS writes it, such as `"[:80%]"`, `"[80%:]"` or `"[100:]"`. The data set's
            order is random once and for all, so a slice is a random part.
        categories: None for the file's list, or a tuple of names or of dicts, see `CocoAnnotations`. Evaluation data
            whose file lists other categories take the training source's: `categories=train_source.categories`.
        keep_empty: bool, keep images without a usable annotation; a file may then have no `annotations` at all, as
            COCO's lists of test images do. Defaults to True.
        cache: folder of prepared data. Defaults to `$XDG_CACHE_HOME/panet_tf`, `~/.cache/panet_tf`. Safe to delete.
        progress: bool, show a progress bar while preparing. Defaults to True.

    Attributes (the first use of any but `annotations` and `images` prepares the data):
        categories: tuple of dicts `{"id", "name", ...}` as in the file; class k is `categories[k - 1]`.
        num_examples: int, images.
        image_sizes: int64 (num_examples, 2), height and width.
        num_objects: int64 (num_examples,), annotations that are not crowds.
        image_ids: int64 (num_examples,).
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
        check_file(self.annotations)
        if not self.images.is_dir():
            raise ValueError(f"images must be a folder, there is none at {self.images}")
        super().__init__(name=self.annotations.name, part=part)
        wanted = tuple(categories) if categories is not None and not isinstance(categories, str) else categories
        self._settings = {"categories": wanted, "keep_empty": bool(keep_empty), "progress": progress}
        self._cache = cache

    def _prepare(self):
        return prepare_coco_json(annotations=self.annotations, images=self.images, cache=self._cache, **self._settings)
