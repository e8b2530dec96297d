"""Images in which rare categories come as often as common ones."""

import gin
import numpy as np

from panet_tf.data.chosen_images import ChosenImages, annotations_of


@gin.register(module="panet_tf")
class BalancedImages(ChosenImages):
    """A source that shows every category in equally many images: PANet's "balanced sampling".

    PANet's challenge models were trained "with and without balanced sampling [55]", and [55] (Shen et al., Relay
    Backpropagation, 2016) samples by classes: a class is drawn from a list of all, then an image from a list of those
    that show it, and a list that is used up starts anew in another order. Here an epoch holds every class's images as
    often as makes them equally many for each class; `DetectionData` shuffles it, so that no batch depends on another.
    An image that shows several categories stands in several lists. Images without annotations are never drawn.

    Args:
        source: a source that reads at random places and has annotations, such as `CocoSource`.
        images_per_category: int, how often each category is drawn in an epoch. Defaults to as many as the most
            frequent one has images, so that none is left out; the epoch is then long, and runs count steps anyway.
        seed: int, of who is repeated where lists do not divide. Defaults to 0.

    Raises:
        ValueError: if no image shows anything.

    Example:
        >>> source = CocoSource(annotations="instances_train2017.json", images="train2017")
        >>> data = DetectionData(source=BalancedImages(source=source), batch_size=16, training=True)
    """

    def __init__(self, *, source, images_per_category=None, seed=0):
        lists = _images_of_categories(source)
        if not lists:
            raise ValueError(f"balanced images need annotations, received none in {source.num_examples} images.")
        count = images_per_category or max(map(len, lists))
        generator = np.random.default_rng(seed)
        rows = []
        for rows_of_one in lists:
            whole, rest = divmod(count, len(rows_of_one))
            rows += [np.tile(rows_of_one, whole), generator.choice(rows_of_one, rest, replace=False)]
        super().__init__(source, np.concatenate(rows))


def _images_of_categories(source):
    """Places of the images that show each category, crowds aside; one array a category that is shown at all."""
    ids, annotations = annotations_of(source)
    place = {number: row for row, number in enumerate(ids)}
    shown = {category["id"]: set() for category in source.categories}
    for annotation in annotations:
        if not annotation.get("iscrowd") and annotation.get("image_id") in place:
            shown.setdefault(annotation["category_id"], set()).add(place[annotation["image_id"]])
    return [np.array(sorted(rows)) for rows in shown.values() if rows]
