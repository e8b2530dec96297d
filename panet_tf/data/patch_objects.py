"""Which annotated objects patches can be made of, by category."""

import numpy as np

from panet_tf.data.chosen_images import annotations_of


class PatchObjects:
    """The usable objects of a source, in the order of their categories.

    Args:
        source: a source of images, as `DetectionData` takes.
        min_area: float, pixels of the mask that an object needs.
        min_side: float, pixels that both sides of its box need.

    Attributes:
        rows: int64 (E,), each object's image, as a place in the source.
        ids: int64 (E,), each object's annotation id.
        starts, counts: int64 (C,), where the objects of each category that has any begin, and how many they are.
        images: int64 (I,), the places of all images with an object that has a box, usable or not.
        rejected: dict of what was left out: `"crowd"`, `"small"`, `"thin"`, and `"incomplete"` without box or image.
    """

    def __init__(self, source, *, min_area, min_side):
        image_ids, annotations = annotations_of(source)
        place = {number: row for row, number in enumerate(image_ids)}
        self.rejected = dict.fromkeys(("crowd", "small", "thin", "incomplete"), 0)
        found, images = [], set()
        for annotation in annotations:
            box, row = annotation.get("bbox"), place.get(annotation.get("image_id"))
            if row is None and annotation.get("image_id") is not None:
                continue  # of an image that this part of the data does not hold
            reason = None
            if row is None or "id" not in annotation or not box or len(box) != 4:
                reason = "incomplete"
            elif annotation.get("iscrowd"):
                reason = "crowd"
            elif annotation.get("area", box[2] * box[3]) < min_area:
                reason = "small"
            elif min(box[2], box[3]) < min_side:
                reason = "thin"
            if reason != "incomplete":
                images.add(row)
            if reason is None:
                found.append((annotation["category_id"], row, annotation["id"]))
            else:
                self.rejected[reason] += 1
        if not found:
            raise ValueError(f"patches need at least one usable object, received none; left out: {self.rejected}.")
        table = np.array(sorted(found), np.int64)
        _, self.starts, self.counts = np.unique(table[:, 0], return_index=True, return_counts=True)
        self.rows, self.ids = table[:, 1], table[:, 2]
        self.images = np.array(sorted(images), np.int64)
