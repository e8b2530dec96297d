"""Names and shapes of mmdetection's two-stage detectors, written from its modules and not from our models."""

from tests.detectron2_shapes import Shapes
from tests.torchvision_shapes import torchvision_shapes


def mmdetection_shapes(
    num_classes=80, *, blocks=(3, 4, 6, 3), filters=256, units=1024, masks=True, path=False, bottleneck=True
):
    """`mask_rcnn_r50_fpn` or `faster_rcnn_r50_pafpn` of version 2 or 3, or one like them.

    Args:
        num_classes: int, without background.
        blocks: blocks of each stage.
        filters, units: channels of the pyramid, units of the box head.
        masks: Mask R-CNN or Faster R-CNN.
        path: PAFPN or FPN.
        bottleneck: bottleneck blocks or basic ones.

    Returns:
        Dict from names to shapes.
    """
    shapes = Shapes()
    # Backbones are named as torchvision's classifiers, counters of batches included.
    for name, shape in torchvision_shapes(2, blocks=blocks, bottleneck=bottleneck, masks=False).items():
        if name.startswith("backbone.body."):
            shapes[name.replace("body.", "")] = shape
            if name.endswith("running_var"):
                shapes[name.replace("body.", "").replace("running_var", "num_batches_tracked")] = ()
    for i in range(4):
        channels = 64 * 2**i * (4 if bottleneck else 1)
        shapes.conv(f"neck.lateral_convs.{i}.conv", (filters, channels, 1, 1))
        shapes.conv(f"neck.fpn_convs.{i}.conv", (filters, filters, 3, 3))
    for i in range(3 if path else 0):
        shapes.conv(f"neck.downsample_convs.{i}.conv", (filters, filters, 3, 3))
        shapes.conv(f"neck.pafpn_convs.{i}.conv", (filters, filters, 3, 3))
    shapes.conv("rpn_head.rpn_conv", (filters, filters, 3, 3))
    shapes.conv("rpn_head.rpn_cls", (3, filters, 1, 1))
    shapes.conv("rpn_head.rpn_reg", (12, filters, 1, 1))
    shapes.conv("roi_head.bbox_head.fc_cls", (num_classes + 1, units))
    shapes.conv("roi_head.bbox_head.fc_reg", (4 * num_classes, units))
    shapes.conv("roi_head.bbox_head.shared_fcs.0", (units, filters * 7 * 7))
    shapes.conv("roi_head.bbox_head.shared_fcs.1", (units, units))
    if masks:
        for i in range(4):
            shapes.conv(f"roi_head.mask_head.convs.{i}.conv", (filters, filters, 3, 3))
        shapes.conv("roi_head.mask_head.upsample", (filters, filters, 2, 2))
        shapes.conv("roi_head.mask_head.conv_logits", (num_classes, filters, 1, 1))
    return dict(shapes)
