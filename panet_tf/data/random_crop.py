"""Random windows."""

import gin
import tensorflow as tf

from panet_tf.data.cropping import crop_sample


@gin.register(module="panet_tf")
class RandomCrop:
    """Cuts a random window out of a training image, before it is resized.

    Args:
        size: None or (height, width) in original pixels: the window's size (an image smaller than that keeps its own
            side); tiles of microscopy or aerial images. Defaults to None.
        relative: pair of numbers in (0, 1]: without `size`, each side of the window is a share of the image's side
            drawn uniformly from this range. Defaults to (0.5, 1.0).
        probability: how likely an image is cut at all. Defaults to 1.
        min_visible: share of an instance that must show for it to stay. Defaults to 0.1.

    Example:
        >>> augment = (RandomCrop(size=(256, 256)), RandomFlip())
    """

    def __init__(self, *, size=None, relative=(0.5, 1.0), probability=1.0, min_visible=0.1):
        if size is not None and (len(size) != 2 or min(size) < 1):
            raise ValueError(f"`size` must be a height and a width of at least one pixel, received {size}.")
        if not 0.0 < relative[0] <= relative[1] <= 1.0:
            raise ValueError(f"`relative` must be a range within (0, 1], received {relative}.")
        if not 0.0 <= probability <= 1.0:
            raise ValueError(f"`probability` must be between 0 and 1, received {probability}.")
        self.size, self.relative, self.probability, self.min_visible = size, relative, probability, min_visible

    def __call__(self, sample, seed):
        """Returns the sample, cut as the int32 (2,) `seed` decides."""
        size = tf.cast(tf.shape(sample["image"])[:2], tf.float32)
        return crop_sample(sample, self._window(size, seed), self.min_visible)

    def output_size(self, size, seed):
        """Size that an image of `size`, float32 (2,), leaves with: known before the image is read."""
        return tf.cast(self._window(size, seed)[2:], tf.float32)

    def _window(self, size, seed):
        noise = tf.random.stateless_uniform((5,), seed)
        if self.size is not None:
            cut = tf.minimum(tf.constant(self.size, tf.float32), size)
        else:
            low, high = self.relative
            cut = tf.maximum(1.0, tf.floor(size * (low + noise[:2] * (high - low)) + 0.5))
        cut = tf.where(noise[4] < self.probability, cut, size)
        corner = tf.floor(noise[2:4] * (size - cut + 1.0))
        return tf.cast(tf.concat([tf.minimum(corner, size - cut), cut], axis=0), tf.int32)
