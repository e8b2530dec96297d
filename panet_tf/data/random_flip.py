"""Random mirrors."""

import copy

import gin
import tensorflow as tf

from panet_tf.data.flipping import flip_left_right, flip_up_down
from panet_tf.data.keypoint_mirrors import LEFT_RIGHT, TOP_BOTTOM, mirror_table


@gin.register(module="panet_tf")
class RandomFlip:
    """Mirrors a training image, and all that belongs to it, at random.

    Args:
        horizontal: probability of exchanging left and right. Defaults to 0.5.
        vertical: probability of exchanging top and bottom, for images without an upright direction (microscopy,
            aerial). Defaults to 0.
        keypoint_pairs: tuple of pairs of keypoint indices that exchange their names when left and right do, as (1, 2)
            for the two eyes of COCO's persons; `()` for none; or `None`: by the names that the data's categories give
            their keypoints, `left_eye` and `right_eye`, see `panet_tf.data.keypoint_mirrors`. Defaults to `None`.
        vertical_keypoint_pairs: the same for top and bottom. Defaults to `None`.

    Example:
        >>> augment = (RandomFlip(), RandomFlip(horizontal=0.0, vertical=0.5))
    """

    def __init__(self, *, horizontal=0.5, vertical=0.0, keypoint_pairs=None, vertical_keypoint_pairs=None):
        for name, probability in (("horizontal", horizontal), ("vertical", vertical)):
            if not 0.0 <= probability <= 1.0:
                raise ValueError(f"`{name}` must be a probability between 0 and 1, received {probability}.")
        self.horizontal, self.vertical = horizontal, vertical
        self.keypoint_pairs, self.vertical_keypoint_pairs = keypoint_pairs, vertical_keypoint_pairs
        self._tables = None, None

    def for_categories(self, categories):
        """The same for data of these categories, whose keypoints' names it then goes by; `DetectionData` asks for it.

        Args:
            categories: sequence of dicts, class k being `categories[k - 1]`.

        Returns:
            `RandomFlip`.
        """
        told = copy.copy(self)
        told._tables = mirror_table(categories, LEFT_RIGHT), mirror_table(categories, TOP_BOTTOM)
        return told

    def __call__(self, sample, seed):
        """Returns the sample, mirrored or not as the int32 (2,) `seed` decides."""
        noise = tf.random.stateless_uniform((2,), seed)
        for probability, draw, flip, pairs, table in (
            (self.horizontal, noise[0], flip_left_right, self.keypoint_pairs, self._tables[0]),
            (self.vertical, noise[1], flip_up_down, self.vertical_keypoint_pairs, self._tables[1]),
        ):
            if probability:
                swaps = None
                if "keypoints" in sample and pairs is not None:
                    swaps = _swaps(pairs, sample["keypoints"].shape[1])
                elif "keypoints" in sample and table is not None:
                    swaps = tf.gather(table, sample["classes"])
                sample = tf.cond(draw < probability, lambda s=sample, f=flip, p=swaps: f(s, p), lambda s=sample: s)
        return sample


def _swaps(pairs, count):
    order = list(range(count))
    for one, other in pairs:
        if not (0 <= one < count and 0 <= other < count):
            raise ValueError(f"keypoint pairs must be indices below the {count} keypoints, received {(one, other)}.")
        order[one], order[other] = other, one
    return order
