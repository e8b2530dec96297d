"""Random quarter turns."""

import gin
import tensorflow as tf

from panet_tf.data.flipping import flip_left_right, flip_up_down, transpose


@gin.register(module="panet_tf")
class RandomRotation90:
    """Turns a training image, and all that belongs to it, by 0, 90, 180 or 270 degrees, each as likely.

    For images without an upright direction (microscopy, aerial). Exact: no pixel is interpolated. Together with a
    horizontal flip it draws from all eight symmetries of the square.

    Example:
        >>> augment = (RandomFlip(), RandomRotation90())
    """

    def __call__(self, sample, seed):
        """Returns the sample, turned counter-clockwise as often as the int32 (2,) `seed` decides."""
        return tf.switch_case(
            _turns(seed),
            {
                0: lambda: sample,
                1: lambda: flip_up_down(transpose(sample)),
                2: lambda: flip_left_right(flip_up_down(sample)),
                3: lambda: flip_left_right(transpose(sample)),
            },
        )

    def output_size(self, size, seed):
        """Size that an image of `size`, float32 (2,), leaves with: known before the image is read."""
        return tf.where(_turns(seed) % 2 == 1, tf.reverse(size, axis=(0,)), size)


def _turns(seed):
    return tf.random.stateless_uniform((), seed, minval=0, maxval=4, dtype=tf.int32)
