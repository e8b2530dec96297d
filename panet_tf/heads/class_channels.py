"""Which channel of a head's last layers answers for which class."""

import numpy as np


def box_channels(head, num_classes):
    """Channels of a head with `class_logits` and `box_deltas`.

    Args:
        head: `BoxHead` or one with the same last layers.
        num_classes: int, K, of a head like this one, not necessarily its own.

    Returns:
        List of pairs: a layer, and int (channels,), the class of each of its channels if it had K classes, 0 the
        background. Layers that serve all classes alike are left out.

    Example:
        >>> [classes.tolist() for _, classes in box_channels(BoxHead(num_classes=2), 2)]
        [[0, 1, 2], [1, 1, 1, 1, 2, 2, 2, 2]]
    """
    found = [(head.class_logits, np.arange(num_classes + 1))]
    if not head.class_agnostic:
        found.append((head.box_deltas, np.repeat(np.arange(1, num_classes + 1), 4)))
    return found


def mask_channels(head, num_classes, pixels=1):
    """The same for the `predictor` of a mask head.

    Args:
        head: `MaskHead` or one with the same last layer.
        num_classes: int, K, as in `box_channels`.
        pixels: int, how often the layer repeats all classes: 1 for a convolution, the number of a mask's pixels for a
            fully-connected layer. Defaults to 1.

    Returns:
        List as of `box_channels`, empty where one mask serves all classes.

    Example:
        >>> [classes.tolist() for _, classes in mask_channels(MaskHead(num_classes=3, activation="softmax"), 3)]
        [[0, 1, 2, 3]]
    """
    if head.class_agnostic:
        return []
    classes = np.arange(0 if head.activation == "softmax" else 1, num_classes + 1)
    return [(head.predictor, np.tile(classes, pixels))]
