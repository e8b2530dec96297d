"""Faster R-CNN on the last stage of a ResNet, from its parts."""

import gin

from panet_tf.backbones.resnet import resnet
from panet_tf.models.anchor_generator import AnchorGenerator
from panet_tf.models.faster_rcnn import faster_rcnn
from panet_tf.models.faster_rcnn_c4 import ANCHOR_SIZES
from panet_tf.necks.single_level import SingleLevel


@gin.register(module="panet_tf")
def faster_rcnn_c5(*, categories, backbone=None, necks=None, filters=256, anchor_generator=None, **kwargs):
    """Faster R-CNN on C5, at stride 32, or at stride 16 where the backbone is dilated (Mask R-CNN, Table 2d).

    The heads are those of a pyramid (figure 4, right), because res5 is taken; C5 is brought to their 256 channels by a
    1x1 convolution, which the paper does not mention. The number of proposals and regions is the pyramid's, too.

    Args:
        categories: sequence of dicts with `"id"` and `"name"`.
        backbone: model from images to levels, the coarsest of which is used. Defaults to a ResNet-50 with frozen batch
            norm; `resnet(50, dilated=True)` keeps stride 16.
        necks: layers over levels. Defaults to `SingleLevel(filters=filters)`.
        filters: int, channels of the level and of the heads. Defaults to 256.
        anchor_generator: part. Defaults to 5 sizes by 3 shapes on the one level.
        **kwargs: of `faster_rcnn`.

    Returns:
        `RCNN`, built.

    Example:
        >>> model = faster_rcnn_c5(categories=[{"id": 1, "name": "cell"}], backbone=resnet(50, dilated=True))
    """
    return faster_rcnn(**c5_parts(backbone, necks, filters, anchor_generator), categories=categories, **kwargs)


def c5_parts(backbone, necks, filters, anchor_generator):
    """Arguments of `faster_rcnn` and of what it is part of."""
    return {
        "backbone": backbone or resnet(50, norm="frozen_bn"),
        "necks": necks or [SingleLevel(filters=filters)],
        "filters": filters,
        "anchor_generator": anchor_generator or AnchorGenerator(sizes=ANCHOR_SIZES),
    }
