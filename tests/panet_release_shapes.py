"""Names and shapes of the PANet authors' release, written from its modules and not from our models."""

from tests.detectron2_shapes import Shapes


def panet_release_shapes(num_classes=81, *, blocks=(3, 4, 6, 3), filters=256, units=1024, masks=True, heavy_head=True):
    """`e2e_panet_R-50-FPN_2x_mask`, `..._1x_det` (without masks) or `..._1x_det_2fc`, or one like them.

    Args:
        num_classes: int, background included, as there.
        blocks: blocks of each stage.
        filters, units: channels of the pyramid and the heads, units of the box head.
        masks: bool.
        heavy_head: four convolutions and one fully-connected layer, or two fully-connected ones.

    Returns:
        Dict from names to shapes.
    """
    shapes = Shapes()

    def normed(name, shape, bias=False, places=(".0", ".1")):
        shapes.conv(name + places[0], shape, bias=bias)
        shapes.norm(name + places[1], shape[0], statistics=False)

    outputs = _resnet(shapes, blocks)
    levels = list(zip((5, 4, 3, 2), reversed(outputs)))
    normed("Conv_Body.conv_top", (filters, levels[0][1], 1, 1))
    for i, (_, channels) in enumerate(levels[1:]):
        normed(f"Conv_Body.topdown_lateral_modules.{i}.conv_lateral", (filters, channels, 1, 1))
    for i in range(4):
        normed(f"Conv_Body.posthoc_modules.{i}", (filters, filters, 3, 3))
    for i in range(3):
        normed(f"Conv_Body.panet_buttomup_conv1_modules.{i}", (filters, filters, 3, 3), bias=True)
        normed(f"Conv_Body.panet_buttomup_conv2_modules.{i}", (filters, filters, 3, 3), bias=True)
    shapes.conv("RPN.FPN_RPN_conv", (filters, filters, 3, 3))
    shapes.conv("RPN.FPN_RPN_cls_score", (3, filters, 1, 1))
    shapes.conv("RPN.FPN_RPN_bbox_pred", (12, filters, 1, 1))
    if heavy_head:
        for i in range(3):
            normed("Box_Head.convs", (filters, filters, 3, 3), places=(f".{3 * i}", f".{3 * i + 1}"))
        for level in range(4):
            normed(f"Box_Head.conv1_head.{level}", (filters, filters, 3, 3))
        shapes.conv("Box_Head.fc", (units, filters * 7 * 7))
    else:
        for level in range(4):
            normed(f"Box_Head.fc1.{level}", (units, filters * 7 * 7), bias=True)
        normed("Box_Head.fc2", (units, units), bias=True)
    shapes.conv("Box_Outs.cls_score", (num_classes, units))
    shapes.conv("Box_Outs.bbox_pred", (4 * num_classes, units))
    if masks:
        for i in range(2):
            normed("Mask_Head.conv_fcn", (filters, filters, 3, 3), places=(f".{3 * i}", f".{3 * i + 1}"))
        for level in range(4):
            normed(f"Mask_Head.mask_conv1.{level}", (filters, filters, 3, 3))
        normed("Mask_Head.mask_conv4", (filters, filters, 3, 3))
        normed("Mask_Head.mask_conv4_fc", (filters, filters, 3, 3))
        normed("Mask_Head.mask_conv5_fc", (filters // 2, filters, 3, 3))
        shapes.conv("Mask_Head.mask_fc.0", (28 * 28, filters // 2 * 14 * 14))
        shapes.conv("Mask_Head.upconv", (filters, filters, 2, 2))
        shapes.conv("Mask_Outs.classify", (num_classes, filters, 1, 1))
    return dict(shapes)


def _resnet(shapes, blocks):
    """Detectron.pytorch's `ResNet_convX_body`: torchvision's bottlenecks with a scale and a shift for a norm."""
    root = "Conv_Body.conv_body"
    shapes.conv(f"{root}.res1.conv1", (64, 3, 7, 7), bias=False)
    shapes.norm(f"{root}.res1.bn1", 64, statistics=False)
    channels, outputs = 64, []
    for stage, count in enumerate(blocks):
        inner, outer = 64 * 2**stage, 256 * 2**stage
        for block in range(count):
            place = f"{root}.res{stage + 2}.{block}"
            convs = (("conv1", "bn1", (inner, channels, 1, 1)), ("conv2", "bn2", (inner, inner, 3, 3)))
            convs += (("conv3", "bn3", (outer, inner, 1, 1)),)
            convs += (("downsample.0", "downsample.1", (outer, channels, 1, 1)),) if block == 0 else ()
            for conv, norm, shape in convs:
                shapes.conv(f"{place}.{conv}", shape, bias=False)
                shapes.norm(f"{place}.{norm}", shape[0], statistics=False)
            channels = outer
        outputs.append(channels)
    return outputs
