"""From mmdetection's Faster and Mask R-CNN to ours: names, and what else differs beside the layout.

For version 2.0 and later: boxes have no background, classes have it last; earlier files had it first. The bottom-up
path of its PAFPN is another one than the paper's, see `PAFPN`.

Source: mmdetection, `models/necks/{fpn,pafpn}.py`, `models/dense_heads/rpn_head.py`,
`models/roi_heads/bbox_heads/*.py`, `models/roi_heads/mask_heads/fcn_mask_head.py`; backbones are named as
torchvision's.
"""

from panet_tf.weights import conventions
from panet_tf.weights.key_maps import (
    Rule,
    anchor_deltas,
    background_first,
    box_deltas,
    class_mismatch,
    find_part,
    flattened,
    head_conv,
    head_dense,
    numbered,
    reversed_colors,
    translate,
)

_ROI = r"roi_head\."


def _conv_and_norm(pattern, part, layer, offset):
    """A `ConvModule` in a list: its convolution and its norm. `layer` has `{}` for the number and for what it is."""
    kinds = (("conv", "conv"), ("(?:bn|gn)", "norm"))
    return tuple(
        Rule(rf"{pattern}\.(\d+)\.{there}", part, numbered(layer.format("{}", here), offset)) for there, here in kinds
    )


def _head_convs(pattern, part):
    return (
        Rule(rf"{pattern}\.(\d+)\.conv", part, head_conv(1, "conv")),
        Rule(rf"{pattern}\.(\d+)\.(?:bn|gn)", part, head_conv(1, "norm")),
    )


def _rules(style):
    colors = reversed_colors if style == "caffe" else None
    return (
        Rule(r"backbone\.(conv1)", "backbone", "{0}", colors),
        Rule(r"backbone\.(.+)\.conv_offset", "backbone", "{0}.offset"),
        Rule(r"backbone\.(.+)", "backbone", "{0}"),
        *_conv_and_norm(r"neck\.lateral_convs", "neck", "lateral{}.{}", 2),
        *_conv_and_norm(r"neck\.fpn_convs", "neck", "output{}.{}", 2),
        *_conv_and_norm(r"neck\.downsample_convs", "path", "down{}.{}", 3),
        *_conv_and_norm(r"neck\.pafpn_convs", "path", "output{}.{}", 3),
        Rule(r"rpn_head\.rpn_conv", "rpn_head", "conv1.conv"),
        Rule(r"rpn_head\.rpn_conv\.(\d+)\.conv", "rpn_head", numbered("conv{}.conv", 1)),
        Rule(r"rpn_head\.rpn_cls", "rpn_head", "objectness"),
        Rule(r"rpn_head\.rpn_reg", "rpn_head", "box_deltas", anchor_deltas),
        *_head_convs(_ROI + r"bbox_head\.shared_convs", "box_head"),
        Rule(_ROI + r"bbox_head\.shared_fcs\.(0)", "box_head", head_dense(1), flattened("box_pooling")),
        Rule(_ROI + r"bbox_head\.shared_fcs\.(\d+)", "box_head", head_dense(1)),
        Rule(_ROI + r"bbox_head\.fc_cls", "box_head", "class_logits", background_first),
        Rule(_ROI + r"bbox_head\.fc_reg", "box_head", "box_deltas", box_deltas),
        *_head_convs(_ROI + r"mask_head\.convs", "mask_head"),
        Rule(_ROI + r"mask_head\.upsample", "mask_head", "deconv"),
        Rule(_ROI + r"mask_head\.conv_logits", "mask_head", "logits"),
    )


def is_mmdetection(arrays):
    """Whether arrays are named as in mmdetection's two-stage detectors.

    Args:
        arrays: dict from names to arrays.

    Returns:
        bool.

    Raises:
        ValueError: for files of versions before 2.0.
    """
    if "rpn_head.rpn_cls.weight" not in arrays:
        return False
    if any(name.startswith("bbox_head.") for name in arrays):
        raise ValueError(
            "mmdetection's files are read from version 2.0 on: this one names bbox_head without roi_head, and has the "
            "background first. mmdetection's tools/model_converters/upgrade_model_version.py brings it up to date."
        )
    return True


def translate_mmdetection(model, arrays, style="torch"):
    """Renames and reorders mmdetection's arrays, as `key_maps.translate` does.

    Args:
        model: built detector, or a backbone.
        arrays: dict from mmdetection's names to arrays.
        style: `"torch"` or `"caffe"`, whose first convolution takes blue, green, red. Defaults to `"torch"`.

    Returns:
        `(arrays, origins)`.
    """
    return translate(model, arrays, _rules(style))


def mmdetection_mismatch(model, name, arrays):
    """Why a predictor does not fit the model's number of classes.

    Args:
        model: built model.
        name: str, mmdetection's name of an array.
        arrays: dict from mmdetection's names to arrays.

    Returns:
        str, or `None` for other arrays, or where the number fits.
    """
    if name.startswith(("roi_head.bbox_head.fc_cls.", "roi_head.bbox_head.fc_reg.")):
        scores = arrays.get("roi_head.bbox_head.fc_cls.bias")
        return None if scores is None else class_mismatch(find_part(model, "box_head"), len(scores) - 1)
    if name.startswith("roi_head.mask_head.conv_logits."):
        return class_mismatch(find_part(model, "mask_head"), len(arrays[name]))
    return None


def mmdetection_style(arrays, file_name):
    """The style of an mmdetection file: its arrays have the same names, so its own name must say it.

    Args:
        arrays: not looked at.
        file_name: str, as `"faster_rcnn_r50_caffe_fpn_1x_coco.pth"`.

    Returns:
        `"caffe"` or `"torch"`.
    """
    return "caffe" if "caffe" in file_name else "torch"


def mmdetection_conventions(arrays, style, epsilon=None):
    """The conventions of an mmdetection file, as `conventions.mmdetection` gives them.

    Args:
        arrays: not looked at.
        style: `"torch"` or `"caffe"`.
        epsilon: none to choose from.

    Returns:
        dict for `set_conventions`.
    """
    return conventions.mmdetection(style=style)
