"""Fixed proposals of a data set's images, from a file: what Fast R-CNN classifies."""

import threading

import gin
import numpy as np
import tensorflow as tf
from absl import logging

from panet_tf.data.host_calls import host_call
from panet_tf.data.proposal_entries import ProposalEntries

KEPT = 2000  # proposals of an image
ROWS = 100_000  # entries that are Python objects at a time
TOLERANCE = 1.0  # pixels that a box may reach out of its image


@gin.register(module="panet_tf")
class Proposals:
    """Proposals of many images, best first.

    The file is COCO's results format: a list of entries with `image_id`, `score`, and `bbox` (x, y, width, height) or
    `segmentation` (run-length code, of which the box is taken where there is none). `ProposalWriter` writes one. It is
    read once, entry by entry; what is held takes 20 bytes a proposal.

    Args:
        path: of the file.
        max_proposals: int, the best of each image that are kept, or `None` for all. Defaults to 2000.

    Attributes:
        num_images, num_proposals: int, what is kept.
        num_skipped: int, entries left out: no image id, no finite box or score, or a box without an area.
        missing: set of ids of images that were asked for and have none.

    Raises:
        ValueError: there is no such file, it is no results file, or nothing in it can be used.

    Example:
        >>> proposals = Proposals("proposals.json")
        >>> boxes, scores = proposals.of_image(139, size=(426, 640))
    """

    def __init__(self, path, *, max_proposals=KEPT):
        self.path, self.max_proposals = path, max_proposals
        self.missing, self._lock = set(), threading.Lock()
        entries = ProposalEntries(path, with_area=True)
        parts, rows = [], []
        for proposal in entries:
            rows.append((proposal.image_id, *proposal.box, proposal.score))
            if len(rows) == ROWS:
                parts.append(_best(*_arrays(rows), max_proposals))
                rows = []
        parts.append(_best(*_arrays(rows), max_proposals))
        self.num_skipped, self._sizes = entries.num_skipped, entries.stated_sizes
        ids, values = (np.concatenate(column) for column in zip(*parts))
        parts.clear()  # they are held no longer than they must be: a file may have hundreds of millions
        if not len(ids):
            raise ValueError(
                f"proposals must have image_id, score, and bbox or segmentation, received {path}, of whose "
                f"{entries.num_entries} entries none can be used: {entries.first_problem}."
            )
        ids, values = _best(ids, values, max_proposals)
        self._ids, counts = np.unique(ids, return_counts=True)
        self._values, self._ends = values, np.cumsum(counts)
        self.num_images, self.num_proposals = len(self._ids), len(values)

    def of_image(self, image_id, size=None):
        """Boxes and scores of one image, best first.

        Args:
            image_id: int.
            size: (height, width) of the image, compared with what the file says, or `None`.

        Returns:
            float32 (n, 4), yxyx in original pixels, clipped to `size`; float32 (n,).

        Raises:
            ValueError: a mask is of another size than the image, or a box reaches out of it by more than a pixel.
        """
        place = np.searchsorted(self._ids, image_id)
        if place == len(self._ids) or self._ids[place] != image_id:
            self._note_missing(int(image_id))
            return np.zeros((0, 4), "float32"), np.zeros(0, "float32")
        values = self._values[self._ends[place - 1] if place else 0 : self._ends[place]]
        boxes, scores = values[:, :4], values[:, 4]
        if size is not None:
            limits = np.tile(np.asarray(size, "float32"), 2)
            stated = self._sizes.get(int(image_id))
            if stated is not None and tuple(stated) != tuple(limits[:2]):
                raise ValueError(
                    f"masks of proposals must be as large as their images, received {stated} for image {image_id} of "
                    f"{tuple(int(side) for side in limits[:2])} in {self.path}."
                )
            if (boxes < -TOLERANCE).any() or (boxes > limits + TOLERANCE).any():
                raise ValueError(
                    f"proposals must lie in their images, in pixels of the original, received one up to "
                    f"{boxes.max(axis=0)} for image {image_id} of {tuple(int(side) for side in limits[:2])} in "
                    f"{self.path}."
                )
            boxes = np.clip(boxes, 0, limits)
        return boxes, scores

    def _note_missing(self, image_id):
        with self._lock:
            new = image_id not in self.missing
            self.missing.add(image_id)
        if new and len(self.missing) == 1:
            logging.warning(
                "%s has no proposals for image %d. This is said once; `missing` lists the others.", self.path, image_id
            )

    def check(self, image_ids, image_sizes):
        """Compares the file with all images of a data set, before anything is trained on it.

        Args:
            image_ids: ints (n,).
            image_sizes: ints (n, 2), heights and widths.

        Raises:
            ValueError: no image has proposals, or sizes do not agree.
        """
        ids = np.asarray(image_ids)
        there = np.isin(ids, self._ids)
        if not there.any():
            raise ValueError(
                f"proposals must be of the data's images, {self.path} has some for {self.num_images} images, such as "
                f"{self._ids[0]}, and none for these {len(ids)}, such as {ids[0]}."
            )
        for image_id, size in zip(ids[there].tolist(), np.asarray(image_sizes)[there]):
            self.of_image(image_id, size)
        self.missing |= set(ids[~there].tolist())
        if not there.all():
            logging.warning("%s has no proposals for %d of %d images.", self.path, (~there).sum(), len(ids))


def proposals_of(given, source, count):
    """Proposals as an object, checked against a source.

    Args:
        given: path, `Proposals` (or an object with its `of_image`), or `None`.
        source: of `DetectionData`.
        count: int, slots of an image. Of a path at least so many are kept, and not fewer than `Proposals` would: crops
            lose some.

    Returns:
        the object, or `None`.
    """
    if given is None:
        return None
    given = given if hasattr(given, "of_image") else Proposals(given, max_proposals=max(count, KEPT))
    if hasattr(given, "check") and hasattr(source, "image_ids"):
        given.check(source.image_ids, source.image_sizes)
    return given


def look_up(proposals, raw):
    """What a sample of the pipeline holds of an image's proposals.

    Args:
        proposals: object with `of_image`.
        raw: raw sample.

    Returns:
        dict of `"proposals"` float32 (n, 4), yxyx in pixels of the image, and `"proposal_scores"` float32 (n,).
    """
    inputs = [raw["image_id"], tf.shape(raw["image"])[:2]]
    boxes, scores = host_call(proposals.of_image, inputs, [tf.float32, tf.float32])
    return {"proposals": tf.ensure_shape(boxes, (None, 4)), "proposal_scores": tf.ensure_shape(scores, (None,))}


def fill_proposals(sample, count):
    """The first `count` proposals of a sample that have an area, zeros where there are fewer: what a batch holds."""
    boxes, scores = sample["proposals"], sample["proposal_scores"]
    there = tf.where(tf.reduce_all(boxes[:, 2:] > boxes[:, :2], axis=-1))[:count, 0]
    missing = count - tf.shape(there)[0]
    return {
        "proposals": tf.ensure_shape(tf.pad(tf.gather(boxes, there), [(0, missing), (0, 0)]), (count, 4)),
        "proposal_scores": tf.ensure_shape(tf.pad(tf.gather(scores, there), [(0, missing)]), (count,)),
    }


def no_proposals(count):
    """What a padding image has in their place."""
    return {"proposals": tf.zeros((count, 4)), "proposal_scores": tf.zeros((count,))}


def _arrays(rows):
    """int64 (n,) ids and float32 (n, 5) boxes and scores."""
    ids = np.array([row[0] for row in rows], "int64")
    return ids, np.array([row[1:] for row in rows], "float32").reshape(-1, 5)


def _best(ids, values, most):
    """The same by image and score, of each image the best `most` (`None`: all)."""
    order = np.lexsort((-values[:, 4], ids))  # stable: of equal scores the first of the file
    ids = ids[order]
    if most is not None:
        _, first, counts = np.unique(ids, return_index=True, return_counts=True)
        kept = np.arange(len(ids)) - np.repeat(first, counts) < most
        ids, order = ids[kept], order[kept]
    return ids, values[order]
