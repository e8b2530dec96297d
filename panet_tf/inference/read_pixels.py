"""The pixels of an image file, as training and evaluation see them."""

import pathlib

import tensorflow as tf
from absl import logging

from panet_tf.data.image_files import read_image


def read_pixels(path, *, size=None):
    """Reads an image file upright and in RGB.

    Args:
        path: path of the file; JPEG, PNG, WebP, BMP, TIFF or GIF (its first frame), of any mode that can be shown.
        size: (height, width) that annotations of the file refer to. Those of the image as it is stored keep it from
            being turned upright, as in training (`panet_tf.data.image_files.read_image`). Defaults to `None`: none.

    Returns:
        NumPy uint8 (height, width, 3).

    Raises:
        ValueError: no such file, a folder, no image, one that ends too early, or one of another size.
    """
    if pathlib.Path(path).is_dir():
        raise ValueError("it is a folder, whose images panet_tf.inference.find_images.find_images lists")
    height, width = (None, None) if size is None else size
    data, _, _, notes = read_image(pathlib.Path(path), height=height, width=width)
    for rule, detail in notes:
        logging.info("%s: %s%s", path, rule, f" ({detail})" if detail else "")
    try:
        return tf.io.decode_image(data, channels=3, expand_animations=False).numpy()
    except tf.errors.OpError as error:
        raise ValueError(f"image file is truncated or broken: {error.message}") from error
