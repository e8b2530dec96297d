"""Names and shapes of detectron2's model zoo, written from its modules and not from our models."""


class Shapes(dict):
    """A state dict's names and shapes, filled layer by layer."""

    def conv(self, name, shape, bias=True):
        self[f"{name}.weight"] = shape
        if bias:
            self[f"{name}.bias"] = (shape[0],)

    def norm(self, name, channels, statistics=True):
        leaves = ("weight", "bias") + (("running_mean", "running_var") if statistics else ())
        self.update({f"{name}.{leaf}": (channels,) for leaf in leaves})


def detectron2_shapes(
    num_classes=80,
    *,
    blocks=(3, 4, 6, 3),
    groups=1,
    width_per_group=64,
    filters=256,
    units=1024,
    masks=False,
    keypoints=0,
    stages=1,
    dense=False,
    stuff=0,
    constants=False,
):
    """`R_50_FPN`, `R_101_FPN` (blocks 3, 4, 23, 3) or `X_101_32x8d_FPN` (32 groups, 8 a group), or one like them.

    Args:
        num_classes: int, without background.
        blocks: blocks of each stage.
        groups, width_per_group: of bottlenecks' 3x3 convolutions.
        filters, units: channels of the pyramid, units of the box head.
        masks: bool; keypoints: int; stages: 3 for Cascade R-CNN; dense: RetinaNet; stuff: classes of Panoptic FPN's
            semantic head.
        constants: whether what older files hold beside weights is there.

    Returns:
        Dict from names to shapes.
    """
    shapes = Shapes()
    outputs = _resnet(shapes, blocks, groups, width_per_group)
    first = 1 if dense else 0
    for level, channels in list(enumerate(outputs, start=2))[first:]:
        shapes.conv(f"backbone.fpn_lateral{level}", (filters, channels, 1, 1))
        shapes.conv(f"backbone.fpn_output{level}", (filters, filters, 3, 3))
    if dense:
        shapes.conv("backbone.top_block.p6", (filters, outputs[-1], 3, 3))
        shapes.conv("backbone.top_block.p7", (filters, filters, 3, 3))
        for i in (0, 2, 4, 6):
            shapes.conv(f"head.cls_subnet.{i}", (filters, filters, 3, 3))
            shapes.conv(f"head.bbox_subnet.{i}", (filters, filters, 3, 3))
        shapes.conv("head.cls_score", (9 * num_classes, filters, 3, 3))
        shapes.conv("head.bbox_pred", (9 * 4, filters, 3, 3))
    else:
        shapes.conv("proposal_generator.rpn_head.conv", (filters, filters, 3, 3))
        shapes.conv("proposal_generator.rpn_head.objectness_logits", (3, filters, 1, 1))
        shapes.conv("proposal_generator.rpn_head.anchor_deltas", (12, filters, 1, 1))
        for stage in range(stages):
            place = f".{stage}" if stages > 1 else ""
            shapes.conv(f"roi_heads.box_head{place}.fc1", (units, filters * 7 * 7))
            shapes.conv(f"roi_heads.box_head{place}.fc2", (units, units))
            shapes.conv(f"roi_heads.box_predictor{place}.cls_score", (num_classes + 1, units))
            boxes = 1 if stages > 1 else num_classes
            shapes.conv(f"roi_heads.box_predictor{place}.bbox_pred", (4 * boxes, units))
    if masks:
        for i in range(1, 5):
            shapes.conv(f"roi_heads.mask_head.mask_fcn{i}", (filters, filters, 3, 3))
        shapes.conv("roi_heads.mask_head.deconv", (filters, filters, 2, 2))
        shapes.conv("roi_heads.mask_head.predictor", (num_classes, filters, 1, 1))
    if keypoints:
        inner = 2 * filters
        for i in range(1, 9):
            shapes.conv(f"roi_heads.keypoint_head.conv_fcn{i}", (inner, filters if i == 1 else inner, 3, 3))
        shapes["roi_heads.keypoint_head.score_lowres.weight"] = (inner, keypoints, 4, 4)
        shapes["roi_heads.keypoint_head.score_lowres.bias"] = (keypoints,)
    if stuff:
        inner = filters // 2
        for level, convs in ((2, 1), (3, 1), (4, 2), (5, 3)):
            for i in range(convs):  # upsampling stands between them
                place = f"sem_seg_head.p{level}.{2 * i}"
                shapes.conv(place, (inner, inner if i else filters, 3, 3), bias=False)
                shapes.norm(f"{place}.norm", inner, statistics=False)
        shapes.conv("sem_seg_head.predictor", (stuff, inner, 1, 1))
    if constants:
        shapes |= {"pixel_mean": (3, 1, 1), "pixel_std": (3, 1, 1)}
        shapes |= {f"proposal_generator.anchor_generator.cell_anchors.{i}": (3, 4) for i in range(5)}
    return dict(shapes)


def _resnet(shapes, blocks, groups, width_per_group):
    """`build_resnet_backbone`: bottlenecks whose norms belong to their convolutions."""
    root = "backbone.bottom_up"

    def conv(name, shape):
        shapes.conv(name, shape, bias=False)
        shapes.norm(f"{name}.norm", shape[0])

    conv(f"{root}.stem.conv1", (64, 3, 7, 7))
    channels, outputs = 64, []
    for stage, count in enumerate(blocks):
        inner, outer = groups * width_per_group * 2**stage, 256 * 2**stage
        for block in range(count):
            place = f"{root}.res{stage + 2}.{block}"
            if channels != outer:
                conv(f"{place}.shortcut", (outer, channels, 1, 1))
            conv(f"{place}.conv1", (inner, channels, 1, 1))
            conv(f"{place}.conv2", (inner, inner // groups, 3, 3))
            conv(f"{place}.conv3", (outer, inner, 1, 1))
            channels = outer
        outputs.append(channels)
    return outputs
