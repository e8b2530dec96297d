"""Mask R-CNN on the last stage of a ResNet, from its parts."""

import gin

from panet_tf.models.faster_rcnn_c5 import c5_parts
from panet_tf.models.mask_rcnn import mask_rcnn


@gin.register(module="panet_tf")
def mask_rcnn_c5(*, categories, backbone=None, necks=None, filters=256, anchor_generator=None, **kwargs):
    """Mask R-CNN on C5, at stride 32, or at stride 16 where the backbone is dilated (Mask R-CNN, Table 2d).

    Args:
        categories, backbone, necks, filters, anchor_generator: as in `faster_rcnn_c5`.
        **kwargs: of `mask_rcnn`.

    Returns:
        `RCNN`, built.

    Example:
        >>> model = mask_rcnn_c5(categories=[{"id": 1, "name": "cell"}], box_pooling=FPNLevelPooling(operator="pool"))
    """
    return mask_rcnn(**c5_parts(backbone, necks, filters, anchor_generator), categories=categories, **kwargs)
