"""PANet from its parts."""

import gin

from panet_tf.backbones.resnet import resnet
from panet_tf.heads.box import BoxHead
from panet_tf.heads.mask import MaskHead
from panet_tf.layers.adaptive_pooling import AdaptivePooling
from panet_tf.layers.roi_pooling import FPNLevelPooling
from panet_tf.models.faster_rcnn import head_for
from panet_tf.models.mask_rcnn import mask_rcnn
from panet_tf.necks.fpn import FPN
from panet_tf.necks.pafpn import PAFPN


@gin.register(module="panet_tf")
def panet(
    *,
    categories,
    backbone=None,
    filters=256,
    norm="sync_bn",
    bottom_up=True,
    adaptive_pooling=True,
    fusion="max",
    fuse="after",
    fully_connected="conv3",
    fully_connected_fusion="sum",
    heavy_head=True,
    fc_norm="auto",
    deconv_norm=None,
    fully_connected_norm=None,
    box_pooling=None,
    box_head=None,
    mask_pooling=None,
    mask_head=None,
    **kwargs,
):
    """PANet (section 3): Mask R-CNN whose information flows by shorter and by more paths.

    Each of the paper's parts can be turned off, which gives the rows of its Table 3; all off is Mask R-CNN.

    Args:
        categories: sequence of dicts with `"id"` and `"name"`.
        backbone: model from images to `"C2"`.. `"C5"`. Defaults to a ResNet-50 with `norm`.
        filters: int, channels of the pyramid and of convolutions in the heads. Defaults to 256.
        norm: norm of the default backbone, the necks and the heads over regions. Defaults to `"sync_bn"`, the
            paper's. The RPN has none, as in the authors' release: levels of other statistics share its weights.
        bottom_up: bool, the augmented bottom-up path N2..N6. Defaults to True.
        adaptive_pooling: bool, whether regions are pooled from all levels. Defaults to True.
        fusion: `"max"`, `"sum"` or `"prod"` of levels (Table 4). Defaults to `"max"`.
        fuse: `"after"` the first layer of each head or `"before"` it (Table 4). Defaults to `"after"`.
        fully_connected: convolution of the mask head that the fully-connected branch starts from, `"conv2"`, `"conv3"`
            or `"conv4"` (Table 5), or `None` for no branch. Defaults to `"conv3"`.
        fully_connected_fusion: `"sum"`, `"max"` or `"prod"` of the two predictions' logits (Table 5). Defaults to
            `"sum"`.
        heavy_head: bool, four convolutions and one layer for boxes and classes in place of two fully-connected layers.
            Defaults to True.
        fc_norm: norm after the box head's fully-connected layers, as in `BoxHead`. Defaults to `"auto"`: `norm` without
            the heavy head's convolutions, else `None`, as in the authors' release.
        deconv_norm, fully_connected_norm: norms after the mask head's deconvolution and after the fully-connected
            layer of its branch, as in `MaskHead`. Default to `None`, as in the release.
        box_pooling, box_head, mask_pooling, mask_head: parts in place of those above, as in `mask_rcnn`.
        **kwargs: of `RCNN`.

    Returns:
        `RCNN`, built.

    Example:
        >>> model = panet(categories=[{"id": 1, "name": "nucleus"}], norm="group")
    """
    pooling = AdaptivePooling if adaptive_pooling else FPNLevelPooling
    head = dict(num_classes=len(categories), filters=filters, norm=norm, fusion=fusion, fuse=fuse)
    if "necks" not in kwargs:
        path = [PAFPN(filters=filters, norm=norm)] if bottom_up else []
        kwargs["necks"] = [FPN(filters=filters, norm=norm), *path]
    return mask_rcnn(
        categories=categories,
        backbone=backbone or resnet(50, norm=norm),
        filters=filters,
        norm=norm,
        box_pooling=box_pooling or pooling(output_size=7),
        box_head=head_for(categories, box_head)
        or BoxHead(num_convs=4 if heavy_head else 0, num_fcs=1 if heavy_head else 2, fc_norm=fc_norm, **head),
        mask_pooling=mask_pooling or pooling(output_size=14),
        mask_head=head_for(categories, mask_head)
        or MaskHead(
            fully_connected=fully_connected,
            fully_connected_fusion=fully_connected_fusion,
            fully_connected_norm=fully_connected_norm,
            deconv_norm=deconv_norm,
            **head,
        ),
        **kwargs,
    )
