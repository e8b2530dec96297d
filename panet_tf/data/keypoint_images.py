"""The images of a source on which somebody marked keypoints."""

import json

import gin
import numpy as np
import tensorflow as tf


@gin.register(module="panet_tf")
class KeypointImages:
    """A source that leaves out another's images without enough labelled keypoints (Mask R-CNN, section 5).

    COCO lists every image in its keypoint files; on half of them persons are absent, or so small that nobody marked
    their keypoints. Those teach a keypoint head nothing.

    Args:
        source: a source with keypoints that reads at random places, such as `CocoSource`.
        min_keypoints: int, labelled keypoints that the image's objects (crowds aside) must have together. Defaults to
            1.

    Raises:
        ValueError: if no image has as many.

    Example:
        >>> source = CocoSource(annotations="person_keypoints_train2017.json", images="train2017")
        >>> data = DetectionData(source=KeypointImages(source=source), batch_size=2, training=True)
    """

    def __init__(self, *, source, min_keypoints=1):
        self.source, self.min_keypoints = source, int(min_keypoints)
        counts = _labelled_keypoints(source)
        self._rows = np.flatnonzero(counts >= self.min_keypoints)
        if not len(self._rows):
            raise ValueError(
                f"keypoint images need {self.min_keypoints} labelled keypoints each, received none of "
                f"{source.num_examples} images with as many."
            )

    def __getattr__(self, name):
        if name.startswith("_") or name == "source":
            raise AttributeError(name)
        return getattr(self.source, name)  # categories, report ...

    @property
    def num_examples(self):
        """Images with enough labelled keypoints."""
        return len(self._rows)

    @property
    def image_sizes(self):
        """int64 (num_examples, 2), height and width."""
        return np.asarray(self.source.image_sizes)[self._rows]

    @property
    def num_objects(self):
        """int64 (num_examples,), annotations that are not crowds."""
        return np.asarray(self.source.num_objects)[self._rows]

    def sample(self, index):
        """Reads one raw sample, as the source's `sample`."""
        return self.source.sample(tf.gather(tf.constant(self._rows, tf.int64), index))

    def samples(self, shuffle_seed=None):
        """Returns a `tf.data.Dataset` of raw samples, one pass, in the source's order or another by a seed."""
        order = tf.range(self.num_examples, dtype=tf.int64)
        if shuffle_seed is not None:
            order = tf.random.experimental.stateless_shuffle(order, tf.stack([tf.cast(shuffle_seed, tf.int64), 0]))
        order = tf.data.Dataset.from_tensor_slices(order)
        return order.map(self.sample, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)

    def coco_ground_truth(self):
        """Returns the annotations of these images as a COCO dict."""
        truth = self.source.coco_ground_truth()
        images = [truth["images"][row] for row in self._rows]
        ids = {image["id"] for image in images}
        annotations = [annotation for annotation in truth["annotations"] if annotation["image_id"] in ids]
        return {**truth, "images": images, "annotations": annotations}


def _labelled_keypoints(source):
    """int (num_examples,), labelled keypoints of each image of a source, crowds aside."""
    if hasattr(source, "annotations") and hasattr(source, "image_ids"):  # its file says so in seconds
        with open(source.annotations, encoding="utf-8") as file:
            annotations, ids = json.load(file)["annotations"], np.asarray(source.image_ids).tolist()
        known = {category["id"] for category in source.categories}
        annotations = [annotation for annotation in annotations if annotation.get("category_id") in known]
    else:
        truth = source.coco_ground_truth()
        annotations, ids = truth["annotations"], [image["id"] for image in truth["images"]]
    counts = dict.fromkeys(ids, 0)
    for annotation in annotations:
        if annotation.get("image_id") in counts and not annotation.get("iscrowd"):
            counts[annotation["image_id"]] += sum(v > 0 for v in (annotation.get("keypoints") or ())[2::3])
    return np.array([counts[number] for number in ids])
