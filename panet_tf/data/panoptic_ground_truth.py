"""What is true of each image, for panoptic evaluation."""

import numpy as np

from panet_tf.ops.segment_extents import segment_extents


class PanopticGroundTruth:
    """Segments of a data set's images in the terms of the data set's own ids, each read when it is asked for.

    Args:
        categories: sequence of dicts `{"id", "name", "isthing", ...}`, things and stuff.
        image_ids: sequence of ints, one for each position of the source.
        read: function of a position that gives the segment map (h, w), the segments' ids int (S,), their categories int
            (S,), 1..P, and whether they are crowds, bool (S,).

    Attributes:
        categories: tuple of dicts.
        image_ids: list of ints.

    Example:
        >>> truth = source.panoptic_ground_truth()
        >>> ids, segments = truth.ground_truth(truth.image_ids[0])
    """

    def __init__(self, *, categories, image_ids, read):
        self.categories = tuple(dict(category) for category in categories)
        self.image_ids = [int(identity) for identity in image_ids]
        self._positions = {identity: position for position, identity in enumerate(self.image_ids)}
        self._read = read

    def ground_truth(self, image_id):
        """Segments of one image.

        Args:
            image_id: int, one of `image_ids`.

        Returns:
            Pair of the ids int32 (h, w), 0 being void, and a list of dicts `{"id", "category_id", "area", "bbox",
            "iscrowd"}` as in COCO's panoptic JSON, `bbox` xywh; segments without a pixel are left out.

        Raises:
            ValueError: for an id that no image has.
        """
        if int(image_id) not in self._positions:
            raise ValueError(f"image_id must be one of the {len(self.image_ids)} in the data, received {image_id}.")
        segment_map, ids, categories, crowds = self._read(self._positions[int(image_id)])
        areas, boxes = segment_extents(segment_map, len(ids))
        segments = []
        for number in np.flatnonzero(areas):
            top, left, bottom, right = boxes[number].tolist()
            segments.append(
                {
                    "id": int(ids[number]),
                    "category_id": self.categories[categories[number] - 1]["id"],
                    "area": int(areas[number]),
                    "bbox": [left, top, right - left, bottom - top],
                    "iscrowd": int(crowds[number]),
                }
            )
        return np.concatenate([[0], ids]).astype(np.int32)[segment_map], segments
