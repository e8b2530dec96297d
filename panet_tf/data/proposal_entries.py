"""The entries of a file of proposals, checked one by one."""

import typing

from absl import logging
from pycocotools import mask as coco_mask

from panet_tf.data.json_numbers import number, whole
from panet_tf.data.proposal_file import read_results
from panet_tf.data.segmentations import encode_segmentation

SHOWN = 3  # broken entries that are logged; the rest are counted


class Proposal(typing.NamedTuple):
    """One region of an image.

    Attributes:
        image_id: int.
        box: floats y0, x0, y1, x1 in pixels of the original.
        score: float.
        code: compressed run-length code of its mask, or `None`.
        category_id: int, or `None`.
    """

    image_id: int
    box: tuple[float, float, float, float]
    score: float
    code: dict | None
    category_id: int | None


class ProposalEntries:
    """The usable entries of a COCO results file, read one after the other, as often as asked; the others are counted.

    An entry has a whole-number `image_id`, a finite `score`, and a `bbox` (x, y, width, height) of finite numbers or a
    `segmentation`, a sound run-length code (compressed or not), of which the box is taken where there is none. What
    breaks this is left out; the first three are logged with file and image.

    Args:
        path: of the file, or a list of its entries.
        with_masks: whether entries without a run-length code are left out too. Defaults to False: polygons beside a box
            are ignored.
        with_area: whether boxes and masks without an area are left out. Defaults to False: they reach no object, but
            are proposals.
        sizes: dict from image ids to the (height, width) that masks must have. Defaults to `None`: those of an image's
            first mask, and later masks of another size are left out.

    Attributes (of the last round):
        num_entries, num_skipped: int, all, and those left out.
        first_problem: str, why the first was left out, or `None`.
        stated_sizes: dict from image ids to (height, width) of their masks.

    Raises:
        ValueError: on the way, a file that is no results file, or a mask of another size than `sizes` say.

    Example:
        >>> entries = ProposalEntries("proposals.json")
        >>> best = max(entries, key=lambda proposal: proposal.score)
    """

    def __init__(self, path, *, with_masks=False, with_area=False, sizes=None):
        self.given, self.path = path, "the list" if isinstance(path, list) else path
        self.with_masks, self.with_area, self.sizes = with_masks, with_area, sizes or {}
        self._start()

    def _start(self):
        self.num_entries = self.num_skipped = 0
        self.first_problem, self.stated_sizes = None, {}

    def __iter__(self):
        self._start()
        for entry in self.given if isinstance(self.given, list) else read_results(self.path):
            self.num_entries += 1
            try:
                proposal = self._checked(entry)
            except _Unusable as problem:
                self.skip(entry.get("image_id"), problem)
            else:
                yield proposal
        if self.num_skipped:
            logging.warning("%s: %d of %d entries left out.", self.path, self.num_skipped, self.num_entries)

    def skip(self, image_id, problem):
        """Counts an entry as left out; for what only the reader knows to be unusable."""
        self.num_skipped += 1
        self.first_problem = self.first_problem or str(problem)
        if self.num_skipped <= SHOWN:
            logging.warning("%s: an entry of image %r left out: %s.", self.path, image_id, problem)

    def _checked(self, entry):
        image_id, score, box = whole(entry.get("image_id")), number(entry.get("score")), entry.get("bbox")
        if image_id is None or score is None:
            raise _Unusable(
                f"image_id must be a whole number and score a finite one, received {entry.get('image_id')!r:.50} and "
                f"{entry.get('score')!r:.50}"
            )
        code = self._code(image_id, entry.get("segmentation"), needed=self.with_masks or box is None)
        values = [number(value) for value in box] if isinstance(box, (list, tuple)) else []
        if box is None:
            values = coco_mask.toBbox(code).tolist()
        if len(values) != 4 or None in values:
            raise _Unusable(f"bbox must be four finite numbers, received {box!r:.100}")
        x, y, width, height = values
        if min(width, height) < 0 or (self.with_area and min(width, height) == 0):
            raise _Unusable(f"a region must have an area, received {width} x {height} pixels")
        return Proposal(image_id, (y, x, y + height, x + width), score, code, whole(entry.get("category_id")))

    def _code(self, image_id, segmentation, *, needed):
        """A compressed run-length code that is sound, or `None` where none is needed."""
        if not isinstance(segmentation, dict):
            if needed:
                kind = "neither" if segmentation is None else f"a {type(segmentation).__name__}"
                raise _Unusable(f"a bbox or a segmentation as run-length code is needed, received {kind}")
            return None
        size = segmentation.get("size")
        size = tuple(whole(side) for side in size) if isinstance(size, (list, tuple)) else ()
        expected = self.sizes.get(image_id)
        if expected is not None and size != tuple(expected):
            raise ValueError(
                f"masks of proposals must be as large as their images, received {size} for image {image_id} of "
                f"{tuple(expected)} in {self.path}."
            )
        if len(size) != 2 or None in size or self.stated_sizes.setdefault(image_id, size) != size:
            raise _Unusable(f"masks of one image must have one size (height, width), received {size}")
        try:
            return encode_segmentation(segmentation, *size)[0]
        except ValueError as error:
            raise _Unusable(str(error)) from error


class _Unusable(Exception):
    """An entry that is left out."""
