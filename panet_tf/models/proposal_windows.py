"""Where the windows of a network that slides over an image at several scales lie."""

import dataclasses

import gin
import tensorflow as tf

from panet_tf.ops.resampling import resample


@gin.register(module="panet_tf")
def proposal_scales(*, lowest=-2.5, highest=0.5, step=0.5, zoom=0):
    """Factors on images by powers of two (Lin's thesis, section 3.5.3; seven, as in the released program).

    Args:
        lowest, highest: float, exponents of the first and last scale. Default to -2.5 and 0.5.
        step: float, octaves between two. Defaults to 0.5.
        zoom: int, further scales above the last: 1 is SharpMaskZoom, 2 SharpMaskZoom^2. Defaults to 0.

    Returns:
        Tuple of float, rising.

    Example:
        >>> proposal_scales(zoom=1)[-2:]
        (1.4142135623730951, 2.0)
    """
    count = int(round((highest - lowest) / step)) + 1 + int(zoom)
    return tuple(2.0 ** (lowest + step * i) for i in range(count))


@dataclasses.dataclass(frozen=True)
class WindowGrid:
    """The windows of one scale.

    A window of `input_size` pixels (of the scaled image) moves in steps of the stride. The scaled image gets a margin
    of grey, so that the first window's centre lies on the image's corner, or less than a stride before it, and the last
    beyond the far one; each window has `context` pixels of image or margin around it.

    Args:
        input_size: int, pixels a side of a window.
        context: int, pixels on each side that the network sees beside it.
        stride: int, that divides both.
    """

    input_size: int
    context: int
    stride: int

    def __post_init__(self):
        if self.input_size % self.stride or self.context % self.stride:
            raise ValueError(
                f"input_size and context must be multiples of the stride {self.stride}, received {self.input_size} "
                f"and {self.context}."
            )

    @property
    def size(self):
        """Cells a side of a window."""
        return self.input_size // self.stride

    @property
    def crop(self):
        """Cells of context on each side."""
        return self.context // self.stride

    @property
    def margin(self):
        """Cells of grey on each side of an image."""
        return -(-(self.input_size // 2 + self.context) // self.stride)

    def cells(self, side, scale):
        """Cells of a scaled image with its margins, along a side of `side` pixels, int or int32 scalar."""
        if isinstance(side, int):
            return -int(-side * scale // self.stride) + 2 * self.margin
        scaled = tf.cast(side, tf.float32) * (scale / self.stride)
        return tf.cast(tf.math.ceil(scaled - 1e-4), tf.int32) + 2 * self.margin

    def picture(self, images, scale, fill):
        """The scaled images with their margins.

        Args:
            images: float (B, H, W, 3).
            scale: float.
            fill: (3,), grey in the images' terms.

        Returns:
            float32 (B, cells * stride, cells * stride, 3).
        """
        shape = tf.shape(images)
        size = [self.cells(images.shape[a] or shape[a], scale) * self.stride for a in (1, 2)]
        start = -self.margin * self.stride / scale
        return resample(images, (start, start), 1.0 / scale, size, fill)

    def frames(self, rows, columns, scale):
        """The windows of a map of scores.

        Args:
            rows, columns: int or int32 scalars, windows along each side.
            scale: float.

        Returns:
            float32 (rows * columns, 4), yxyx in pixels of the images, row by row; they may reach out.
        """

        def starts(count):
            cells = tf.cast(tf.range(count), tf.float32) + float(self.crop - self.margin)
            return cells * (self.stride / scale)

        top, left = tf.meshgrid(starts(rows), starts(columns), indexing="ij")
        corner = tf.reshape(tf.stack([top, left], axis=-1), (-1, 2))
        return tf.concat([corner, corner + self.input_size / scale], axis=-1)
