"""Reading pictures whose pixels are ids: of 8 or 16 bits, or of three channels as COCO has them."""

import pathlib

import numpy as np
from PIL import Image

from panet_tf.ops.panoptic_ids import rgb_to_ids


def read_grey_ids(path):
    """Ids of a grey picture of 8 or 16 bits.

    Args:
        path: path of the file.

    Returns:
        int32 (h, w).

    Raises:
        ValueError: when there is no such file, it is broken, or has colours; the message is the rule, followed by ": "
            and what was received where that helps.
    """
    values = _read(path)
    if values.ndim != 2 or values.dtype == bool:
        raise ValueError(f"annotation map is not a grey picture of 8 or 16 bits: {values.dtype} {values.shape}")
    return values.astype(np.int32)


def read_color_ids(file):
    """Ids R + 256 G + 65536 B of a picture in colours.

    Args:
        file: path of the file, or an open one.

    Returns:
        int32 (h, w).

    Raises:
        ValueError: as `read_grey_ids`, for pictures without three channels.
    """
    values = _read(file)
    if values.ndim != 3 or values.shape[2] not in (3, 4) or values.dtype != np.uint8:
        raise ValueError(f"panoptic map is not a picture of three channels of 8 bits: {values.dtype} {values.shape}")
    return rgb_to_ids(values[..., :3])


def _read(file):
    name = pathlib.Path(file).name if isinstance(file, (str, pathlib.Path)) else ""
    try:
        with Image.open(file) as image:
            return np.asarray(image)  # of a palette the indices, which are what a picture of ids means
    except FileNotFoundError:
        raise ValueError(f"annotation map is missing: {name}") from None
    except Exception as e:  # Pillow's readers raise nearly anything on bytes that are no image
        raise ValueError(f"annotation map is broken or no image: {name}") from e
