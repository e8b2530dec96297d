"""Fast R-CNN on fixed proposals, from its parts."""

import gin

from panet_tf.backbones.resnet import resnet
from panet_tf.backbones.vgg import vgg
from panet_tf.heads.box import BoxHead
from panet_tf.heads.vgg_box import VGGBoxHead
from panet_tf.layers.roi_pooling import FPNLevelPooling
from panet_tf.models.faster_rcnn import head_for
from panet_tf.models.faster_rcnn_c4 import copy_last_stage, up_to_c4
from panet_tf.models.rcnn import RCNN
from panet_tf.models.roi_sampler import RoISampler
from panet_tf.models.separate_stages import second_stage
from panet_tf.necks.fpn import FPN
from panet_tf.necks.single_level import SingleLevel

LEVELS = ("P2", "P3", "P4", "P5")


@gin.register(module="panet_tf")
def fast_rcnn(
    *,
    categories,
    assemble=None,
    backbone=None,
    necks=None,
    filters=256,
    norm=None,
    shared_head=None,
    box_pooling=None,
    box_head=None,
    **kwargs,
):
    """Fast R-CNN with a feature pyramid: classes and boxes of regions that come with the images.

    The regions are the batches' `proposals`, float32 (B, P, 4), which `panet_tf.data.DetectionData` takes from a file
    (Lin's thesis, sections 3.5.4 and 4.5.2, Table 4.2). This is also how PANet and Mask R-CNN were trained in the
    papers' ablations: on proposals of "an independently trained RPN" (PANet, section 4).

    Args:
        categories: sequence of dicts with `"id"` and `"name"`.
        assemble: function of `categories` that makes the detector whose second stage this is (`mask_rcnn`, `panet`
            ...), in place of the arguments below; or `None` (default).
        backbone: model from images to `"C2"`.. `"C5"`. Defaults to a ResNet-50 with frozen batch norm.
        necks: layers over levels. Defaults to one FPN of P2 to P5, with a `shared_head` to none.
        filters: int, channels of the pyramid. Defaults to 256.
        norm: norm of the default neck and head. Defaults to `None`.
        shared_head: the last stage of the backbone on regions (`Res5Head`): then what leads to C4 is the backbone, and
            its last stage's weights go to this head, as in `faster_rcnn_c4`. Defaults to `None`.
        box_pooling, box_head: parts in place of the default ones; the head also as its class.
        **kwargs: of `RCNN`; with `mask_pooling` and `mask_head` it predicts masks too.

    Returns:
        `RCNN` without an RPN, built.

    Example:
        >>> model = fast_rcnn(categories=[{"id": 1, "name": "cell"}])
        >>> model.fit(DetectionData(source=source, batch_size=2, proposals="proposals.json").dataset())
    """
    if assemble is not None:
        given = [backbone, necks, shared_head, box_pooling, box_head, *kwargs.values()]
        if any(part is not None for part in given):
            raise ValueError("fast_rcnn takes the parts of what `assemble` makes, received others beside it.")
        return second_stage(assemble(categories=categories))
    backbone = backbone or resnet(50, norm="frozen_bn")
    if necks is None:
        necks = [] if shared_head is not None else [FPN(filters=filters, norm=norm, outputs=LEVELS)]
    model = RCNN(
        categories=categories,
        backbone=backbone if shared_head is None else up_to_c4(backbone),
        necks=necks,
        shared_head=shared_head,
        box_pooling=box_pooling or FPNLevelPooling(output_size=7),
        box_head=head_for(categories, box_head) or BoxHead(num_classes=len(categories), norm=norm),
        **kwargs,
    )
    if shared_head is not None:
        copy_last_stage(backbone, shared_head)
    return model


@gin.register(module="panet_tf")
def fast_rcnn_vgg16(*, categories, backbone=None, box_pooling=None, box_head=None, roi_sampler=None, **kwargs):
    """Fast R-CNN with VGG-16 as its paper has it: RoIPool on conv5, then VGG's own fc6 and fc7.

    64 regions an image, a quarter of them objects, background from IoUs of 0.1 to 0.5 (Fast R-CNN, section 2.3).

    Args:
        categories: sequence of dicts with `"id"` and `"name"`.
        backbone: model with an output `"C4"` at stride 16. Defaults to `vgg(16)`.
        box_pooling: part. Defaults to RoIPool into 7x7 cells.
        box_head: part, or its class (any function of `num_classes`). Defaults to `VGGBoxHead`; `vgg_box_head` brings
            ImageNet's weights.
        roi_sampler: part. Defaults to the paper's.
        **kwargs: of `RCNN`.

    Returns:
        `RCNN` without an RPN, built.

    Example:
        >>> head = functools.partial(vgg_box_head, weights="imagenet")
        >>> model = fast_rcnn_vgg16(categories=categories, backbone=vgg(16, weights="imagenet"), box_head=head)
    """
    return fast_rcnn(
        categories=categories,
        backbone=backbone or vgg(16),
        necks=[SingleLevel(level="C4", filters=None)],
        box_pooling=box_pooling or FPNLevelPooling(output_size=7, operator="pool"),
        box_head=head_for(categories, box_head) or VGGBoxHead(num_classes=len(categories)),
        roi_sampler=roi_sampler or RoISampler(count=64, background_iou=0.1),
        **kwargs,
    )
