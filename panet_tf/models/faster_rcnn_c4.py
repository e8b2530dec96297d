"""Faster R-CNN on the fourth stage of a ResNet, from its parts."""

import gin
import keras

from panet_tf.backbones.resnet import resnet
from panet_tf.heads.average_box import AverageBoxHead
from panet_tf.heads.res5 import Res5Head
from panet_tf.heads.rpn import RPNHead
from panet_tf.layers.roi_pooling import FPNLevelPooling
from panet_tf.models.anchor_generator import AnchorGenerator
from panet_tf.models.faster_rcnn import head_for
from panet_tf.models.proposal_selector import ProposalSelector
from panet_tf.models.rcnn import RCNN
from panet_tf.models.roi_sampler import RoISampler

ANCHOR_SIZES = ((32, 64, 128, 256, 512),)


@gin.register(module="panet_tf")
def faster_rcnn_c4(
    *,
    categories,
    backbone=None,
    shared_head=None,
    rpn_filters=1024,
    anchor_generator=None,
    rpn_head=None,
    box_pooling=None,
    box_head=None,
    proposal_selector=None,
    roi_sampler=None,
    **kwargs,
):
    """Faster R-CNN with a ResNet whose stages up to C4 see the image and whose last stage sees regions.

    Mask R-CNN, figure 4, left, and section 3.1: 5 sizes by 3 shapes of anchors on C4, 300 proposals, 64 regions in
    training. Where the paper is silent: 12000 (training) and 6000 boxes before suppression and 2000 proposals in
    training as in Faster R-CNN, and as many channels in the RPN as C4 has, as in Detectron.

    Args:
        categories: sequence of dicts with `"id"` and `"name"`.
        backbone: residual network with outputs `"C4"` and, best, `"C5"`: what leads to C4 becomes the backbone, and
            weights of the last stage go to the shared head, by name where they fit. Defaults to a ResNet-50 with frozen
            batch norm.
        shared_head: the last stage on regions. Defaults to `Res5Head()`, on 7x7 cells.
        rpn_filters: int, channels of the RPN's convolution. Defaults to 1024.
        anchor_generator, rpn_head, box_pooling, box_head, proposal_selector, roi_sampler: parts in place of the default
            ones; heads as in `faster_rcnn`.
        **kwargs: of `RCNN`.

    Returns:
        `RCNN`, built.

    Raises:
        ValueError: if the backbone has no C4.

    Example:
        >>> model = faster_rcnn_c4(categories=[{"id": 1, "name": "cell"}], backbone=resnet(50, weights="imagenet"))
    """
    backbone = backbone or resnet(50, norm="frozen_bn")
    anchor_generator = anchor_generator or AnchorGenerator(sizes=ANCHOR_SIZES)
    shared_head = shared_head or Res5Head()
    cells = 7 * getattr(shared_head, "strides", 1)
    model = RCNN(
        categories=categories,
        backbone=up_to_c4(backbone),
        necks=[],
        rpn_head=rpn_head or RPNHead(num_anchors=anchor_generator.num_anchors, filters=rpn_filters),
        anchor_generator=anchor_generator,
        box_pooling=box_pooling or FPNLevelPooling(output_size=cells),
        shared_head=shared_head,
        box_head=head_for(categories, box_head) or AverageBoxHead(num_classes=len(categories)),
        proposal_selector=proposal_selector
        or ProposalSelector(pre_nms_top_k=(12000, 6000), post_nms_top_k=(2000, 300)),
        roi_sampler=roi_sampler or RoISampler(count=64),
        **kwargs,
    )
    copy_last_stage(backbone, shared_head)
    return model


def up_to_c4(backbone):
    """The part of a backbone that leads to C4.

    Args:
        backbone: model with an output `"C4"`.

    Returns:
        model with that output alone.

    Raises:
        ValueError: if the backbone has no C4.
    """
    if "C4" not in backbone.output:
        raise ValueError(f"the backbone must have a level C4, received {tuple(backbone.output)}.")
    if tuple(backbone.output) == ("C4",):
        return backbone
    return keras.Model(backbone.inputs[0], {"C4": backbone.output["C4"]}, name=backbone.name)


def copy_last_stage(backbone, head):
    """Sets those weights of the head that the backbone's last stage has under the same name and in the same shape."""
    ends = {_end(weight): weight for weight in backbone.weights if weight.path.startswith("layer4_")}
    for weight in head.weights:
        source = ends.get(_end(weight))
        if source is not None and tuple(source.shape) == tuple(weight.shape):
            weight.assign(source)


def _end(weight):
    """`layer4_0_conv1/kernel` of a path that may go on before it."""
    return weight.path[weight.path.find("layer4_") :]
