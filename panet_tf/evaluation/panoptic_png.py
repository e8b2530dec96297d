"""PNG files of segment ids, in COCO's encoding."""

import io
import os
import pathlib

import numpy as np
from PIL import Image, UnidentifiedImageError

from panet_tf.ops.panoptic_ids import ids_to_rgb, rgb_to_ids


def read_panoptic_png(path):
    """Reads a map of segment ids: R + 256 G + 65536 B.

    Args:
        path: path of a PNG in RGB; alpha is dropped, a palette looked up.

    Returns:
        int32 (height, width).

    Raises:
        ValueError: no such file, no image, or one without colours; the file is named.

    Example:
        >>> np.unique(read_panoptic_png("panoptic_val2017/000000000139.png"))
    """
    try:
        with Image.open(path) as image:
            if image.mode not in ("RGB", "RGBA", "P"):
                raise ValueError(f"segment ids are colours (RGB), received an image of mode {image.mode}.")
            return rgb_to_ids(np.asarray(image.convert("RGB")))
    except FileNotFoundError as error:
        raise ValueError(f"{path}: no such file.") from error
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError, EOFError) as error:
        raise ValueError(f"{path}: {error}") from error


def write_panoptic_png(path, labels):
    """Writes a map of segment ids. The file appears when it is whole.

    Args:
        path: path of the file; its folder is made.
        labels: int (height, width), ids 0 to 16,777,215.

    Raises:
        ValueError: ids that have no colour.
    """
    path = pathlib.Path(path)
    data = io.BytesIO()
    Image.fromarray(ids_to_rgb(labels)).save(data, "PNG")
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.partial")
    partial.write_bytes(data.getvalue())
    os.replace(partial, path)
