"""Names and shapes of torchvision's two-stage detectors, written from its architecture and not from our model."""


def torchvision_shapes(
    num_classes,
    *,
    blocks=(3, 4, 6, 3),
    width=64,
    filters=256,
    units=1024,
    anchors=3,
    masks=True,
    keypoints=None,
    bottleneck=True,
):
    """State dict of `maskrcnn_resnet50_fpn` (0.28 names, without `num_batches_tracked`), or of one like it.

    Args:
        num_classes: int, background included, as there.
        blocks: blocks of each stage.
        width: channels of the stem.
        filters, units: channels of the pyramid, units of the box head.
        anchors: anchors a cell.
        masks: Mask R-CNN or Faster R-CNN.
        keypoints: `None`, or for Keypoint R-CNN their number and the channels of their head.
        bottleneck: bottleneck blocks (ResNet-50) or basic ones (ResNet-18).

    Returns:
        Dict from names to shapes.
    """
    shapes = {"backbone.body.conv1.weight": (width, 3, 7, 7)}

    def norm(name, channels):
        shapes.update({f"{name}.{leaf}": (channels,) for leaf in ("weight", "bias", "running_mean", "running_var")})

    def with_bias(name, shape, out=None):
        shapes.update({f"{name}.weight": shape, f"{name}.bias": (shape[0] if out is None else out,)})

    norm("backbone.body.bn1", width)
    channels, outputs = width, []
    for stage, count in enumerate(blocks):
        inner = width * 2**stage
        outer = inner * (4 if bottleneck else 1)
        sizes = ((inner, 1), (inner, 3), (outer, 1)) if bottleneck else ((inner, 3), (outer, 3))
        for block in range(count):
            path = f"backbone.body.layer{stage + 1}.{block}"
            if block == 0 and (stage > 0 or channels != outer):
                shapes[f"{path}.downsample.0.weight"] = (outer, channels, 1, 1)
                norm(f"{path}.downsample.1", outer)
            for i, (out, size) in enumerate(sizes, start=1):
                shapes[f"{path}.conv{i}.weight"] = (out, channels, size, size)
                norm(f"{path}.bn{i}", out)
                channels = out
        outputs.append(channels)
    for level, channels in enumerate(outputs):
        with_bias(f"backbone.fpn.inner_blocks.{level}.0", (filters, channels, 1, 1))
        with_bias(f"backbone.fpn.layer_blocks.{level}.0", (filters, filters, 3, 3))
    with_bias("rpn.head.conv.0.0", (filters, filters, 3, 3))
    with_bias("rpn.head.cls_logits", (anchors, filters, 1, 1))
    with_bias("rpn.head.bbox_pred", (4 * anchors, filters, 1, 1))
    with_bias("roi_heads.box_head.fc6", (units, filters * 7 * 7))
    with_bias("roi_heads.box_head.fc7", (units, units))
    with_bias("roi_heads.box_predictor.cls_score", (num_classes, units))
    with_bias("roi_heads.box_predictor.bbox_pred", (4 * num_classes, units))
    if masks:
        for i in range(4):
            with_bias(f"roi_heads.mask_head.{i}.0", (filters, filters, 3, 3))
        with_bias("roi_heads.mask_predictor.conv5_mask", (filters, filters, 2, 2))
        with_bias("roi_heads.mask_predictor.mask_fcn_logits", (num_classes, filters, 1, 1))
    if keypoints:
        number, channels = keypoints
        for i in range(8):
            with_bias(f"roi_heads.keypoint_head.{2 * i}", (channels, filters if i == 0 else channels, 3, 3))
        with_bias("roi_heads.keypoint_predictor.kps_score_lowres", (channels, number, 4, 4), out=number)
    return shapes
