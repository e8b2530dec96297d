"""Mask R-CNN on a feature pyramid, from its parts."""

import gin

from panet_tf.heads.mask import MaskHead
from panet_tf.layers.roi_pooling import FPNLevelPooling
from panet_tf.models.faster_rcnn import faster_rcnn, head_for


@gin.register(module="panet_tf")
def mask_rcnn(*, categories, filters=256, norm=None, mask_pooling=None, mask_head=None, **kwargs):
    """Mask R-CNN with a feature pyramid (Mask R-CNN, section 3): boxes, classes and masks.

    Args:
        categories, filters, norm, **kwargs: as in `faster_rcnn`.
        mask_pooling: layer from levels and regions to features. Defaults to one level per region, 14 x 14; with a
            `shared_head` to that of the boxes.
        mask_head: part, or its class. Defaults to four convolutions, a deconvolution and a mask per class.

    Returns:
        `RCNN`, built.

    Example:
        >>> model = mask_rcnn(categories=[{"id": 1, "name": "cell"}])
    """
    if mask_pooling is None and kwargs.get("shared_head") is None:
        mask_pooling = FPNLevelPooling(output_size=14)
    return faster_rcnn(
        categories=categories,
        filters=filters,
        norm=norm,
        mask_pooling=mask_pooling,
        mask_head=head_for(categories, mask_head) or MaskHead(num_classes=len(categories), filters=filters, norm=norm),
        **kwargs,
    )
