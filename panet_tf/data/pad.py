"""Zero padding to sides that the network's strides divide."""

import tensorflow as tf

STRIDE = 32


def pad_to_stride(images, stride=STRIDE):
    """Pads images with zeros at the bottom and the right, until both sides are multiples of a stride.

    Normalise before padding: the network expects zeros, which are the mean colour, outside the image.

    Args:
        images: tensor (height, width, channels) or (batch, height, width, channels).
        stride: int. Defaults to 32, the stride of level 5.

    Returns:
        Tensor of the same dtype and rank.

    Example:
        >>> pad_to_stride(tf.zeros((800, 1333, 3))).shape
        TensorShape([800, 1344, 3])
    """
    images = tf.convert_to_tensor(images)
    rank = images.shape.rank
    if rank not in (3, 4):
        raise ValueError(f"images must have rank 3 (one image) or 4 (a batch), received shape {images.shape}.")
    shape = tf.shape(images)
    missing = -shape[-3:-1] % stride
    paddings = [(0, 0)] * (rank - 3) + [(0, missing[0]), (0, missing[1]), (0, 0)]
    padded = tf.pad(images, paddings)
    sides = [None if side is None else -(-side // stride) * stride for side in images.shape[-3:-1]]
    return tf.ensure_shape(padded, [*images.shape[:-3], *sides, images.shape[-1]])
