"""Faster R-CNN on a feature pyramid, from its parts."""

import gin
import keras

from panet_tf.backbones.resnet import resnet
from panet_tf.heads.box import BoxHead
from panet_tf.heads.rpn import RPNHead
from panet_tf.layers.roi_pooling import FPNLevelPooling
from panet_tf.models.anchor_generator import AnchorGenerator
from panet_tf.models.rcnn import RCNN
from panet_tf.necks.fpn import FPN


@gin.register(module="panet_tf")
def faster_rcnn(
    *,
    categories,
    backbone=None,
    necks=None,
    filters=256,
    norm=None,
    anchor_generator=None,
    rpn_head=None,
    box_pooling=None,
    box_head=None,
    **kwargs,
):
    """Faster R-CNN with a feature pyramid (FPN, sections 4.1 and 4.2): boxes and classes.

    Args:
        categories: sequence of dicts with `"id"` and `"name"`.
        backbone: model from images to `"C2"`.. `"C5"`. Defaults to a ResNet-50 with frozen batch norm.
        necks: layers over levels. Defaults to one FPN.
        filters: int, channels of the pyramid and the RPN. Defaults to 256.
        norm: norm of the default neck and heads. Defaults to `None`, as the paper has it.
        anchor_generator, rpn_head, box_pooling, box_head: parts in place of the default ones. A head may also be given
            as its class (or any function of `num_classes`), to be built with the right number of classes.
        **kwargs: of `RCNN`.

    Returns:
        `RCNN`, built.

    Example:
        >>> model = faster_rcnn(categories=[{"id": 1, "name": "cell"}], backbone=resnet(18, norm="sync_bn"))
    """
    anchor_generator = anchor_generator or AnchorGenerator()
    return RCNN(
        categories=categories,
        backbone=backbone or resnet(50, norm="frozen_bn"),
        necks=necks or [FPN(filters=filters, norm=norm)],
        rpn_head=rpn_head or RPNHead(num_anchors=anchor_generator.num_anchors, filters=filters),
        anchor_generator=anchor_generator,
        box_pooling=box_pooling or FPNLevelPooling(output_size=7),
        box_head=head_for(categories, box_head) or BoxHead(num_classes=len(categories), norm=norm),
        **kwargs,
    )


def head_for(categories, head):
    """The head itself, or what its class (any function of `num_classes`) makes for these categories; `None` stays."""
    if head is None or isinstance(head, keras.layers.Layer):
        return head
    return head(num_classes=len(categories))
