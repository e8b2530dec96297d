"""Reading image files of unknown quality: upright, three channels, eight bits, and sure to decode later."""

import io
import pathlib

import numpy as np
import tensorflow as tf
from PIL import Image, ImageOps

_ORIENTATION = 0x0112  # EXIF tag; 1 is upright, 5 to 8 exchange height and width
DARK = 4096  # 12-bit cameras fill a sixteenth of 16 bits


class _UnusablePixels(ValueError):
    """Told apart from the ValueErrors that Pillow raises on broken files."""


def read_image(path, *, height=None, width=None):
    """Reads an image file into bytes that `tf.io.decode_image(..., channels=3)` decodes to its upright RGB pixels.

    RGB and grey JPEG and PNG files that TensorFlow decodes are kept byte by byte; everything else (palettes, alpha,
    which is dropped, 16 bits, which keep their high byte, CMYK, WebP, BMP, TIFF, GIF's first frame, turned images) is
    decoded by Pillow and encoded again as PNG.

    EXIF orientation: annotations refer to an image of `height` x `width`. When that is the size after the rotation that
    the file asks for, the rotation is applied (also where it does not change the size); else, when it is the stored
    size, the pixels stay as stored. Without `height` and `width` the rotation is applied.

    Args:
        path: path of the file, or its bytes.
        height, width: ints, the size that annotations refer to; None when unknown.

    Returns:
        Tuple of the encoded bytes, height, width, and a list of (rule, detail) of what had to be changed or looks
        wrong.

    Raises:
        ValueError: when there is no such file, it is no image, it is truncated, or its size is another one; the message
            is the rule, followed by `": "` and what was received where that helps.

    Example:
        >>> data, height, width, notes = read_image("photo.jpg", height=480, width=640)
    """
    try:
        data = path if isinstance(path, bytes) else pathlib.Path(path).read_bytes()
    except FileNotFoundError:
        raise ValueError("image file is missing") from None
    except OSError as e:
        raise ValueError(f"image file cannot be read: {type(e).__name__}") from e
    try:
        image = Image.open(io.BytesIO(data))
    except Exception as e:  # Pillow's readers raise nearly anything on bytes that are no image
        raise ValueError("file is not an image") from e
    try:
        orientation = image.getexif().get(_ORIENTATION, 1)  # reads a PNG to its end
    except Exception as e:  # as above
        raise ValueError("image file is truncated or broken") from e
    notes = []
    stored = image.size
    upright = stored[::-1] if orientation in (5, 6, 7, 8) else stored
    turn = orientation in range(2, 9)
    if height is not None and width is not None:
        if (width, height) != upright:
            if (width, height) != stored:
                both = f"{width} x {height} and {stored[0]} x {stored[1]}"
                raise ValueError(f"image size (width x height) differs between JSON and file: {both}")
            if turn:
                notes.append(("EXIF rotation ignored, the JSON has the stored size", f"orientation {orientation}"))
            turn = False
    if turn:
        notes.append(("EXIF rotation applied", f"orientation {orientation}"))
    width, height = upright if turn else stored
    if not turn and _kept_as_is(image) and _tensorflow_decodes(data, image.format, height, width):
        if image.format == "PNG" and data[24] == 16:
            notes.append(("16-bit image reduced to its high byte", ""))
        return data, height, width, notes
    try:
        pixels = to_rgb(ImageOps.exif_transpose(image) if turn else image, notes)
    except _UnusablePixels:
        raise
    except Exception as e:  # as above
        raise ValueError("image file is truncated or broken") from e
    encoded = io.BytesIO()
    pixels.save(encoded, "PNG", compress_level=1)
    return encoded.getvalue(), height, width, notes


def _kept_as_is(image):
    return image.format in ("JPEG", "MPO", "PNG") and image.mode in ("RGB", "L") and "transparency" not in image.info


def _tensorflow_decodes(data, kind, height, width):
    decode = tf.io.decode_png if kind == "PNG" else tf.io.decode_jpeg
    try:
        with tf.device("CPU"):
            return tuple(decode(data, channels=3).shape) == (height, width, 3)
    except tf.errors.InvalidArgumentError:
        return False


def to_rgb(image, notes=None):
    """Eight bits a channel of a `PIL.Image` of any mode; sixteen bits keep their high byte.

    Args:
        image: `PIL.Image.Image`.
        notes: list that (rule, detail) of what had to be changed or looks wrong is added to. Defaults to `None`.

    Returns:
        `PIL.Image.Image` of mode RGB.

    Raises:
        ValueError: floating-point pixels, or integers of more than 16 bits.

    Example:
        >>> to_rgb(PIL.Image.open("cells_16bit.png")).mode
        'RGB'
    """
    notes = [] if notes is None else notes
    image.load()
    if image.mode == "F":
        raise _UnusablePixels("image has floating-point pixels; save it with 8 bits a channel")
    if image.mode.startswith("I"):
        values = np.asarray(image)
        if values.size and (values.min() < 0 or values.max() > 65535):
            raise _UnusablePixels("image has integer pixels of more than 16 bits; save it with 8 bits a channel")
        notes.append(("16-bit image reduced to its high byte", ""))
        if values.size and values.max() < DARK:
            notes.append(
                (
                    "16-bit image is almost black in 8 bits; rescale the files",
                    f"greatest value {int(values.max())} of 65535",
                )
            )
        image = Image.fromarray((values.astype(np.int64) >> 8).astype(np.uint8))
    return image.convert("RGB")
