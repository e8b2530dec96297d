"""Feature pyramid levels: their strides, and which one a RoI is pooled from."""

import tensorflow as tf

from panet_tf.ops.boxes import box_area


def level_stride(level):
    """Stride in pixels of a level by its name: 2^n for `"Pn"`.

    Args:
        level: str, letters and a number: `"C3"`, `"P3"` and `"N3"` all have stride 8.

    Returns:
        int.

    Raises:
        ValueError: if the name has no number.
    """
    digits = "".join(c for c in level if c.isdigit())
    if not digits:
        raise ValueError(f'A level needs a number in its name ("P2" has stride 4) or a stride, received {level!r}.')
    return 2 ** int(digits)


def fpn_level(
    rois,
    min_level=2,
    max_level=5,
    canonical_size=224,
    canonical_level=4,
    *,
    level_epsilon=1e-6,
    ratio_epsilon=0.0,
):
    """The pyramid level of each RoI: floor(4 + log2(sqrt(area) / 224) + 1e-6), clipped to the levels there are.

    Worked out by comparison with the sizes at which a level begins, so that an area of 0 needs no logarithm and a
    compiler's logarithm cannot move a boundary. Source: Feature Pyramid Networks, equation 1; the 1e-6 is
    torchvision's.

    Args:
        rois: float (..., 4), yxyx in pixels of the network's input.
        min_level: int. Defaults to 2.
        max_level: int. Defaults to 5; level 6 serves the RPN only.
        canonical_size: number, side in pixels of a square RoI that belongs to `canonical_level`. Defaults to 224.
        canonical_level: int. Defaults to 4.
        level_epsilon: float, added to the level before the floor. Defaults to 1e-6.
        ratio_epsilon: float, added to sqrt(area) / 224 before the logarithm, as Detectron has it (1e-6). Defaults to 0.

    Returns:
        int32 (...), `min_level` to `max_level`.
    """
    side = tf.sqrt(box_area(rois))
    level = tf.fill(tf.shape(side), min_level)
    for n in range(min_level + 1, max_level + 1):
        smallest = canonical_size * (2.0 ** (n - canonical_level - level_epsilon) - ratio_epsilon)
        level += tf.cast(side >= smallest, tf.int32)
    return tf.ensure_shape(level, side.shape)
