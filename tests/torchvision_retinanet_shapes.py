"""Names and shapes of torchvision's RetinaNet, written from its architecture and not from our model."""

from tests.torchvision_shapes import torchvision_shapes


def torchvision_retinanet_shapes(num_classes, *, filters=256, anchors=9, **backbone):
    """State dict of `retinanet_resnet50_fpn` (0.28 names, without `num_batches_tracked`), or of one like it.

    Args:
        num_classes: int, the unused first one included, as there.
        filters: channels of the pyramid and the head.
        anchors: anchors a cell.
        **backbone: of `torchvision_shapes`.

    Returns:
        Dict from names to shapes.
    """
    two_stage = torchvision_shapes(num_classes, filters=filters, **backbone)
    shapes = {name: shape for name, shape in two_stage.items() if name.startswith("backbone.body.")}

    def with_bias(name, shape):
        shapes.update({f"{name}.weight": shape, f"{name}.bias": shape[:1]})

    for level in range(3):  # C3 to C5
        channels = two_stage[f"backbone.fpn.inner_blocks.{level + 1}.0.weight"][1]
        with_bias(f"backbone.fpn.inner_blocks.{level}.0", (filters, channels, 1, 1))
        with_bias(f"backbone.fpn.layer_blocks.{level}.0", (filters, filters, 3, 3))
    for extra in ("p6", "p7"):
        with_bias(f"backbone.fpn.extra_blocks.{extra}", (filters, filters, 3, 3))
    for subnet, last, channels in (("classification", "cls_logits", num_classes), ("regression", "bbox_reg", 4)):
        for i in range(4):
            with_bias(f"head.{subnet}_head.conv.{i}.0", (filters, filters, 3, 3))
        with_bias(f"head.{subnet}_head.{last}", (anchors * channels, filters, 3, 3))
    return shapes
