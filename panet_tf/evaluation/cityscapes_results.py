"""Instances as Cityscapes' server takes them: for each image a text file, for each instance a picture of its mask."""

import io
import math
import os
import pathlib

import gin
import numpy as np
from PIL import Image

from panet_tf.evaluation.instance_windows import check_predictions, instance_windows
from panet_tf.ops.cityscapes_labels import INSTANCE_NAMES, LABEL_IDS, THINGS, instance_label_ids


@gin.register(module="panet_tf")
class CityscapesResults:
    """Writes predictions in Cityscapes' format of results.

    `<folder>/<name>.txt` has a line for each instance: the path of its mask relative to the file, its label's id, its
    score. Masks are `masks/<name>_000.png`, pictures of one bit in the order of the detections. An image without
    instances has an empty file, as the benchmark wants one for each.

    It stands among the evaluators of `panet_tf.evaluate`, whose `update` gets each batch; `add` takes masks of any
    origin.

    Args:
        folder: root of the results.
        image_names: dict from image ids to `<city>_<sequence>_<frame>`; `CityscapesFiles.image_names`.
        categories: sequence of dicts with `id`, the label's, and `name`: of classes 1, 2, ... of the predictions.
            Defaults to the eight labels with instances, in their order.
        mask_threshold, whole_pixels: as in `CityscapesEvaluator`.

    Example:
        >>> evaluate(model, test_data, evaluators=(CityscapesResults("out", image_names=files.image_names),))

    Source: cityscapesScripts, the head of `evalInstanceLevelSemanticLabeling.py`.
    """

    def __init__(self, folder, *, image_names, categories=THINGS, mask_threshold=0.5, whole_pixels=False):
        self.folder = pathlib.Path(folder)
        self.image_names = dict(image_names)
        self.mask_threshold = float(mask_threshold)
        self.whole_pixels = whole_pixels
        self._label_ids = instance_label_ids(categories)
        self.reset()

    @classmethod
    def made_for(cls, model, data, **kwargs):
        """The writer of a model's predictions on the data's `source`.

        Raises:
            ValueError: the source does not read `CityscapesFiles`.
        """
        names = getattr(getattr(data.source, "files", None), "image_names", None)
        if names is None:
            raise ValueError(
                f"results are named as the images of CityscapesFiles are, which the source must read: {data.source}."
            )
        made = cls(image_names=names, categories=data.categories, **kwargs)
        made.whole_pixels = made.whole_pixels or getattr(model, "whole_pixels", False)
        return made

    def reset(self):
        """Forgets which images have come; files stay until they are written anew."""
        self._seen = set()

    def update(self, predictions):
        """Writes a batch of predictions.

        Args:
            predictions: dict of arrays as `CityscapesEvaluator.update` takes it, with `original_sizes`.

        Raises:
            ValueError: an array is missing, an image has no name or has come before, or a class has no category.
        """
        arrays = check_predictions(predictions)
        if "original_sizes" not in arrays:
            raise ValueError("masks are as large as their images: predictions need original_sizes.")
        for i, image_id in enumerate(arrays["image_ids"].tolist()):
            if image_id >= 0:
                one = {key: value[i] for key, value in arrays.items() if value.ndim}
                size = tuple(np.round(one["original_sizes"]).astype(int).tolist())
                settings = {"threshold": self.mask_threshold, "whole_pixels": self.whole_pixels}
                self._write(image_id, size, instance_windows(image_id, one, self._label_ids, size, **settings))

    def add(self, image_id, masks, label_ids, scores):
        """Writes the instances of one image.

        Args:
            image_id: one of `image_names`.
            masks: sequence of bool (h, w).
            label_ids: sequence of ints, Cityscapes' ids of labels with instances.
            scores: sequence of floats.

        Raises:
            ValueError: an image without a name or that has come before, an id without instances, or a score that is not
                finite.
        """
        masks = [np.asarray(mask, bool) for mask in masks]
        windows = [
            (mask, 0, 0, int(label), float(score)) for mask, label, score in zip(masks, label_ids, scores, strict=True)
        ]
        for *_, label, score in windows:
            if label not in INSTANCE_NAMES or not math.isfinite(score):
                raise ValueError(f"an instance has a label of {INSTANCE_NAMES} and a score; received {label}, {score}.")
        self._write(image_id, None, windows)

    def result(self, **_):
        """There are no metrics: `{}`."""
        return {}

    def _write(self, image_id, size, windows):
        if image_id not in self.image_names:
            raise ValueError(f"image id {image_id} is not in image_names, which holds {len(self.image_names)}.")
        if image_id in self._seen:
            raise ValueError(f"image id {image_id} has come before. Call reset() before the next round.")
        self._seen.add(image_id)
        name, lines = self.image_names[image_id], []
        for window, top, left, label, score in windows:
            if not window.any():
                continue
            mask = np.zeros(window.shape if size is None else size, bool)
            mask[top : top + window.shape[0], left : left + window.shape[1]] = window
            file, data = f"masks/{name}_{len(lines):03d}.png", io.BytesIO()
            Image.fromarray(mask).save(data, "PNG")
            _write_whole(self.folder / file, data.getvalue())
            lines.append(f"{file} {label} {score!r}\n")
        _write_whole(self.folder / f"{name}.txt", "".join(lines).encode())


def find_cityscapes_results(folder, names):
    """The file of each image in a folder of results, whoever wrote them.

    Args:
        folder: root of the results; files may lie anywhere below it.
        names: iterable of `<city>_<sequence>_<frame>`; a file's name begins with it and ends with `.txt`.

    Returns:
        dict from names to paths.

    Raises:
        ValueError: no such folder, or an image with no file or with several.
    """
    folder = pathlib.Path(folder)
    if not folder.is_dir():
        raise ValueError(f"the folder of the results must exist, received {folder}.")
    files, found = sorted(folder.rglob("*.txt")), {}
    for name in names:
        fitting = [path for path in files if path.name.startswith(name)]
        if len(fitting) != 1:
            received = [str(path.relative_to(folder)) for path in fitting] or "none"
            raise ValueError(f"{folder}: an image needs one file {name}*.txt, received {received}.")
        found[name] = fitting[0]
    return found


def read_cityscapes_results(path, root):
    """Reads the file of an image.

    Args:
        path: path of the text file.
        root: folder that holds all results; masks must lie in it.

    Returns:
        list of tuples of a mask's path, its label's id and its score. A mask that is named twice counts once, as its
        last line has it: so the benchmark's program reads it.

    Raises:
        ValueError: naming file and line, where a line is not a path, an id and a score; a path is absolute, leads out
            of the root, or to nothing; or an id is no label's.

    Example:
        >>> read_cityscapes_results("out/bonn_000000_000019.txt", "out")[0]
        (PosixPath('out/masks/bonn_000000_000019_000.png'), 26, 0.98)
    """
    path, root, found = pathlib.Path(path), pathlib.Path(root).resolve(), {}
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        place, fields = f"{path}, line {number}", line.split(" ")
        try:
            file, label, score = fields[0], int(float(fields[1])), float(fields[2])
        except (IndexError, ValueError, OverflowError):
            file = label = score = None
        if file is None or len(fields) != 3 or label not in LABEL_IDS or not math.isfinite(score):
            raise ValueError(f"{place}: a line is a mask's path, a label's id and a score; received {line[:200]!r}.")
        mask = path.parent / file
        if os.path.isabs(file) or not mask.resolve().is_relative_to(root) or not mask.is_file():
            raise ValueError(f"{place}: a mask is a file in {root}, by its path from the text file; received {file}.")
        found[mask.resolve()] = (mask, label, score)
    return list(found.values())


def read_instance_mask(path):
    """Reads the picture of a mask: what is not black belongs to it.

    Args:
        path: path of a picture.

    Returns:
        bool (h, w).

    Raises:
        ValueError: no image; the file is named.
    """
    try:
        with Image.open(path) as image:
            return np.asarray(image.convert("L")) != 0
    except Exception as error:  # Pillow's readers raise nearly anything on bytes that are no image
        raise ValueError(f"{path}: {error}") from error


def _write_whole(path, data):
    """Writes a file that appears when it is whole."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.partial")
    partial.write_bytes(data)
    os.replace(partial, path)
