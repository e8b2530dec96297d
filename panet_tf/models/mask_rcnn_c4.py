"""Mask R-CNN on the fourth stage of a ResNet, from its parts."""

import gin

from panet_tf.heads.mask import MaskHead
from panet_tf.models.faster_rcnn import head_for
from panet_tf.models.faster_rcnn_c4 import faster_rcnn_c4


@gin.register(module="panet_tf")
def mask_rcnn_c4(
    *, categories, mask_pooling=None, mask_head=None, class_agnostic=False, activation="sigmoid", **kwargs
):
    """Mask R-CNN with a ResNet-C4 (Mask R-CNN, figure 4, left): masks of 14x14 branch off behind res5.

    Args:
        categories, **kwargs: as in `faster_rcnn_c4`.
        mask_pooling: layer from levels and regions to features. Defaults to `None`, that of the boxes.
        mask_head: part, or its class. Defaults to a deconvolution of 256 channels and a mask per class.
        class_agnostic: bool, whether the default head has one mask for all classes (section 4.2: 29.7 mask AP against
            30.3). Defaults to False.
        activation: `"sigmoid"` or `"softmax"` of the default head (Table 2b). Defaults to `"sigmoid"`.

    Returns:
        `RCNN`, built.

    Raises:
        ValueError: as `faster_rcnn_c4`.

    Example:
        >>> model = mask_rcnn_c4(categories=[{"id": 1, "name": "cell"}], backbone=resnet(50, weights="imagenet"))
    """
    head = {"class_agnostic": class_agnostic, "activation": activation}
    return faster_rcnn_c4(
        categories=categories,
        mask_pooling=mask_pooling,
        mask_head=head_for(categories, mask_head) or MaskHead(num_classes=len(categories), num_convs=0, **head),
        **kwargs,
    )
