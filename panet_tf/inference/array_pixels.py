"""The pixels of images that are in memory already."""

import numpy as np
from absl import logging
from PIL import Image, ImageOps

from panet_tf.data.image_files import DARK, to_rgb


def array_pixels(image):
    """Takes an array or a `PIL.Image` for the pixels of an image, as `read_pixels` takes its file.

    Args:
        image: array (h, w, 3), (h, w) or (h, w, 1), grey, or (h, w, 4), whose alpha is dropped, in 0..255, or uint16,
            of which the high byte is kept; or a `PIL.Image.Image`, which is turned upright.

    Returns:
        NumPy (h, w, 3) in 0..255, of the array's dtype, uint8 for uint16.

    Raises:
        ValueError: an array of another shape, or of numbers that are no pixels.

    Example:
        >>> array_pixels(np.full((4, 6), 0xFF00, "uint16"))[0, 0]
        array([255, 255, 255], dtype=uint8)
    """
    if isinstance(image, Image.Image):
        image = to_rgb(ImageOps.exif_transpose(image))
    image = np.asarray(image)
    pixels = image[..., None] if image.ndim == 2 else image
    if pixels.ndim != 3 or pixels.shape[-1] not in (1, 3, 4) or not pixels.size or pixels.dtype.kind not in "uif":
        raise ValueError(f"an image is an array (h, w, 3) of numbers, received {image.dtype} {image.shape}.")
    if pixels.dtype.kind == "f" and not np.isfinite(pixels).all():
        raise ValueError("an image is an array of finite numbers in 0..255, received some that are not finite.")
    pixels = _eight_bits(pixels)
    pixels = pixels[..., :3]
    return np.repeat(pixels, 3, axis=-1) if pixels.shape[-1] == 1 else pixels


def _eight_bits(pixels):
    """The same pixels in 0..255. Sixteen bits keep their high byte, as those of files do."""
    low, high = pixels.min(), pixels.max()
    if pixels.dtype == np.uint16:
        if high < DARK:
            logging.warning("uint16 image is almost black in 8 bits: its greatest value is %d of 65535.", high)
        return (pixels >> 8).astype("uint8")
    if pixels.dtype.kind in "ui" and not 0 <= low <= high <= 255:
        raise ValueError(
            f"an image of {pixels.dtype} is an array of numbers in 0..255, received {low} to {high}; images of 16 bits "
            "are uint16."
        )
    if pixels.dtype.kind == "f" and 0 <= low < high <= 1:
        logging.warning("an image is an array of numbers in 0..255, received %g to %g: almost black.", low, high)
    return pixels
