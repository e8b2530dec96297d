"""The images of a source on which somebody marked keypoints."""

import gin
import numpy as np

from panet_tf.data.chosen_images import ChosenImages, annotations_of


@gin.register(module="panet_tf")
class KeypointImages(ChosenImages):
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
        self.min_keypoints = int(min_keypoints)
        super().__init__(source, np.flatnonzero(_labelled_keypoints(source) >= self.min_keypoints))
        if not len(self._rows):
            raise ValueError(
                f"keypoint images need {self.min_keypoints} labelled keypoints each, received none of "
                f"{source.num_examples} images with as many."
            )


def _labelled_keypoints(source):
    """int (num_examples,), labelled keypoints of each image of a source, crowds aside."""
    ids, annotations = annotations_of(source)
    counts = dict.fromkeys(ids, 0)
    for annotation in annotations:
        if annotation.get("image_id") in counts and not annotation.get("iscrowd"):
            counts[annotation["image_id"]] += sum(v > 0 for v in (annotation.get("keypoints") or ())[2::3])
    return np.array([counts[number] for number in ids])
