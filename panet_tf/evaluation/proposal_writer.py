"""Proposals to a file, image by image."""

import json
import os
import pathlib

import gin
import numpy as np

from panet_tf.evaluation.coco_results import coco_results
from panet_tf.evaluation.proposal_recall import boxes_around
from panet_tf.evaluation.rle import masks_to_rle

FIELDS = ("bbox", "segmentation")


@gin.register(module="panet_tf")
class ProposalWriter:
    """Writes proposals as a COCO results file, one a line, as they come: Fast R-CNN takes them from there.

    It stands among the evaluators of `panet_tf.evaluate`, on data that show the images whose proposals are wanted. The
    file is there once `result` has been asked for; before, and after a crash, there is `<path>.part`. Boxes
    without area, and where only masks are written masks without a pixel, are left out and counted: nobody can use them.

    Args:
        path: of the JSON file.
        fields: one or both of `"bbox"` and `"segmentation"`. Defaults to `None`: boxes and, where predictions hold any,
            masks. Fast R-CNN needs boxes alone, which are a tenth of the bytes.
        max_proposals: int, the best of each image. Defaults to 2000.
        category_id: int, of all lines, as the COCO API wants one of the data set's. Defaults to 1; `made_for` takes the
            data's first.
        tight_boxes, mask_threshold, whole_pixels: as in `ProposalRecall`.

    Raises:
        ValueError: for an unknown field.

    Example:
        >>> evaluate(model, data, evaluators=(ProposalRecall, ProposalWriter("proposals.json")))

    Source: https://cocodataset.org/#format-results, sections 1 and 2.
    """

    def __init__(
        self,
        path,
        *,
        fields=None,
        max_proposals=2000,
        category_id=1,
        tight_boxes=None,
        mask_threshold=0.5,
        whole_pixels=False,
    ):
        fields = (fields,) if isinstance(fields, str) else fields
        if fields is not None and (not fields or not set(fields) <= set(FIELDS)):
            raise ValueError(f"fields must be one or both of {FIELDS}, received {fields!r}.")
        self.path = pathlib.Path(path)
        self.fields = fields
        self.max_proposals = int(max_proposals)
        self.category_id = category_id
        self.tight_boxes = tight_boxes
        self.mask_threshold = float(mask_threshold)
        self.whole_pixels = whole_pixels
        self._file = None
        self.num_written = self.num_empty = 0

    @classmethod
    def made_for(cls, model, data, **kwargs):
        """The writer of a model's proposals."""
        made = cls(category_id=data.categories[0]["id"], **kwargs)
        made.whole_pixels = made.whole_pixels or getattr(model, "whole_pixels", False)
        if made.tight_boxes is None:
            made.tight_boxes = getattr(model, "boxes_are_frames", False)
        return made

    @property
    def _part(self):
        return self.path.with_name(f"{self.path.name}.part")

    def reset(self):
        """Begins the file anew."""
        self.close()
        self.num_written = self.num_empty = 0

    def close(self):
        """Closes the unfinished file."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def update(self, predictions):
        """Writes the proposals of a batch; arrays as in `ProposalRecall.update`, with `original_sizes` for masks."""
        arrays = {key: np.asarray(value) for key, value in predictions.items()}
        for i, image_id in enumerate(arrays["image_ids"].tolist()):
            if image_id >= 0:
                self.add(image_id, {key: value[i] for key, value in arrays.items() if value.ndim})

    def add(self, image_id, prediction):
        """Writes the proposals of one image: the arrays of a batch without its first axis."""
        kept = np.flatnonzero(prediction["classes"] > 0)
        kept = kept[np.argsort(-prediction["scores"][kept], kind="stable")[: self.max_proposals]]
        boxes, masks, size = prediction["boxes"][kept], None, (0, 0)
        fields = self.fields or (FIELDS if "masks" in prediction else FIELDS[:1])
        if "segmentation" in fields or self.tight_boxes:
            size = tuple(int(side) for side in np.round(prediction["original_sizes"]))
            pasted = prediction["masks"][kept].astype("float32")
            masks = masks_to_rle(pasted, boxes, size, self.mask_threshold, whole_pixels=self.whole_pixels)
            if self.tight_boxes:
                boxes = boxes_around(masks)
        extents = boxes if "bbox" in fields else boxes_around(masks)
        there = np.flatnonzero((extents[:, 2:] > extents[:, :2]).all(axis=-1))
        self.num_empty += len(kept) - len(there)
        kept, boxes, masks = kept[there], boxes[there], masks and [masks[i] for i in there]
        results = coco_results(
            image_id=image_id,
            boxes=boxes,
            scores=prediction["scores"][kept],
            category_ids=[self.category_id] * len(kept),
            size=size,
            masks=masks if "segmentation" in fields else None,
        )
        if "bbox" not in fields:
            results = [{key: value for key, value in result.items() if key != "bbox"} for result in results]
        else:  # hundredths of a pixel: half the bytes
            results = [{**result, "bbox": [round(number, 2) for number in result["bbox"]]} for result in results]
        self._open()
        for result in results:
            self._file.write((",\n" if self.num_written else "\n") + json.dumps(result, separators=(",", ":")))
            self.num_written += 1

    def _open(self):
        if self._file is None:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._file = open(self._part, "w", encoding="utf-8")  # noqa: SIM115  # lives from batch to batch
            self._file.write("[")

    def result(self, **_):
        """Finishes the file.

        Returns:
            dict of `"proposals/written"` and `"proposals/empty"`, how many.
        """
        if self._file is not None or not self.num_written:  # else it is finished
            self._open()
            self._file.write("\n]\n")
            self.close()
            os.replace(self._part, self.path)
        return {"proposals/written": float(self.num_written), "proposals/empty": float(self.num_empty)}
