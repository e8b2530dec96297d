"""The pixels of an image file, as training and evaluation see them."""

import pathlib

import tensorflow as tf
from absl import logging

from panet_tf.data.image_files import read_image


def read_pixels(path):
    """Reads an image file upright and in RGB.

    Args:
        path: path of the file; JPEG, PNG, WebP, BMP, TIFF or GIF (its first frame), of any mode that can be shown.

    Returns:
        NumPy uint8 (height, width, 3).

    Raises:
        ValueError: no such file, no image, or one that ends too early.
    """
    data, _, _, notes = read_image(pathlib.Path(path))
    for rule, detail in notes:
        logging.info("%s: %s%s", path, rule, f" ({detail})" if detail else "")
    try:
        return tf.io.decode_image(data, channels=3, expand_animations=False).numpy()
    except tf.errors.OpError as error:
        raise ValueError(f"image file is truncated or broken: {error.message}") from error
