"""From the PANet authors' release to ours: names, and what else differs beside the layout.

Its classes, boxes and masks have the background first; its norms in the backbone are scales and shifts alone; its first
convolution takes blue, green, red. The bottom-up path has biases beside group norms: build it with
`PAFPN(norm="group", use_bias=True)`, as `panet_tf.models.from_checkpoint` does.

Source: https://github.com/ShuLiu1993/PANet, `lib/modeling/{FPN,fast_rcnn_heads,mask_rcnn_heads,model_builder}.py`, on
Detectron.pytorch, `lib/modeling/ResNet.py`.
"""

import numpy as np

from panet_tf.weights import conventions
from panet_tf.weights.key_maps import (
    Rule,
    anchor_deltas,
    box_deltas_after_background,
    class_mismatch,
    find_part,
    flattened,
    resnet_rules,
    reversed_colors,
    translate,
    without_background,
)

_AFFINE = (r"Conv_Body.conv_body.", ".bn", ".downsample.1.")


def _level(layer):
    """A first layer of a head, which each level has of its own: `{}` stands for the level."""
    return lambda _, level: "first." + layer.format("" if level == "0" else f"_level{level}")


def _sequence(number_of, layer):
    """Convolution or norm of a plain sequence of (convolution, norm, activation) or (convolution, activation).

    Args:
        number_of: int, our number of its first convolution.
        layer: `"conv"` or `"norm"`.
    """

    def name(head, place):
        step = 2 if getattr(head, "norm", None) is None else 3
        number = int(place) // step + number_of
        kind = "norm" if int(place) % step else "conv"
        return f"{'first.' if number == 1 else ''}conv{number}.{kind if layer == 'auto' else layer}"

    return name


def _parts(pattern, part, name):
    """A convolution with its norm, in a sequence of their own; or, where there are no norms, the convolution alone."""
    return (
        Rule(pattern + r"(?:\.0)?", part, f"{name}.conv"),
        Rule(pattern + r"\.1", part, f"{name}.norm"),
    )


def _rules(arrays):
    # Heads without adaptive pooling have their first convolution in the plain sequence.
    of_levels = any(name.startswith("Box_Head.conv1_head.") for name in arrays)
    masks_of_levels = any(name.startswith("Mask_Head.mask_conv1.") for name in arrays)
    neck = r"Conv_Body\."
    laterals = (
        rule
        for i, level in enumerate((4, 3, 2))
        for rule in _parts(rf"{neck}topdown_lateral_modules\.{i}\.conv_lateral", "neck", f"lateral{level}")
    )
    outputs = (
        rule
        for i, level in enumerate((5, 4, 3, 2))
        for rule in _parts(rf"{neck}posthoc_modules\.{i}", "neck", f"output{level}")
    )
    path = (
        rule
        for i, level in enumerate((3, 4, 5))
        for number, name in ((1, "down"), (2, "output"))
        for rule in _parts(rf"{neck}panet_buttomup_conv{number}_modules\.{i}", "path", f"{name}{level}")
    )
    return (
        Rule(r"Conv_Body\.conv_body\.res1\.conv1", "backbone", "conv1", reversed_colors),
        Rule(r"Conv_Body\.conv_body\.res1\.bn1", "backbone", "bn1"),
        *resnet_rules(r"Conv_Body\.conv_body\.", norm="bn{}", shortcut=(r"downsample\.0", r"downsample\.1")),
        *_parts(rf"{neck}conv_top", "neck", "lateral5"),
        *laterals,
        *outputs,
        *path,
        Rule(r"RPN\.FPN_RPN_conv", "rpn_head", "conv1.conv"),
        Rule(r"RPN\.FPN_RPN_cls_score", "rpn_head", "objectness"),
        Rule(r"RPN\.FPN_RPN_bbox_pred", "rpn_head", "box_deltas", anchor_deltas),
        Rule(r"Box_Head\.conv1_head\.(\d)\.0", "box_head", _level("conv1{}.conv")),
        Rule(r"Box_Head\.conv1_head\.(\d)\.1", "box_head", _level("conv1{}.norm")),
        Rule(r"Box_Head\.convs\.(\d+)", "box_head", _sequence(2 if of_levels else 1, "auto")),
        Rule(r"Box_Head\.fc", "box_head", "fc1.dense", flattened("box_pooling")),
        Rule(r"Box_Head\.fc1\.(\d)\.0", "box_head", _level("fc1{}.dense"), flattened("box_pooling")),
        Rule(r"Box_Head\.fc1\.(\d)\.1", "box_head", _level("fc1{}.norm")),
        Rule(r"Box_Head\.fc1", "box_head", "first.fc1.dense", flattened("box_pooling")),
        Rule(r"Box_Head\.fc2(?:\.0)?", "box_head", "fc2.dense"),
        Rule(r"Box_Head\.fc2\.1", "box_head", "fc2.norm"),
        Rule(r"Box_Outs\.cls_score", "box_head", "class_logits"),
        Rule(r"Box_Outs\.bbox_pred", "box_head", "box_deltas", box_deltas_after_background),
        Rule(r"Mask_Head\.mask_conv1\.(\d)\.0", "mask_head", _level("conv1{}.conv")),
        Rule(r"Mask_Head\.mask_conv1\.(\d)\.1", "mask_head", _level("conv1{}.norm")),
        Rule(r"Mask_Head\.conv_fcn\.(\d+)", "mask_head", _sequence(2 if masks_of_levels else 1, "auto")),
        *_parts(r"Mask_Head\.mask_conv4", "mask_head", "conv4"),
        *_parts(r"Mask_Head\.mask_conv4_fc", "mask_head", "fc_conv1"),
        *_parts(r"Mask_Head\.mask_conv5_fc", "mask_head", "fc_conv2"),
        Rule(r"Mask_Head\.mask_fc\.0", "mask_head", "fc", flattened("mask_pooling")),
        Rule(r"Mask_Head\.upconv", "mask_head", "deconv"),
        Rule(r"Mask_Outs\.classify", "mask_head", "logits", without_background),
    )


def is_panet_release(arrays):
    """Whether arrays are named as in the PANet authors' release.

    Args:
        arrays: dict from names to arrays.

    Returns:
        bool.
    """
    return any(name.startswith("Conv_Body.") for name in arrays)


def translate_panet_release(model, arrays, style="caffe"):
    """Renames and reorders the release's arrays, as `key_maps.translate` does.

    A scale and shift of a channel is a frozen batch norm with mean 0 and variance 1, which are added.

    Args:
        model: built detector, or a backbone.
        arrays: dict from the release's names to arrays.
        style: not looked at.

    Returns:
        `(arrays, origins)`; what was added has `None` for its origin.
    """
    translated, origins = translate(model, arrays, _rules(arrays))
    for target, name in list(origins.items()):
        if name.startswith(_AFFINE[0]) and any(mark in name for mark in _AFFINE[1:]) and name.endswith(".weight"):
            prefix = target.rpartition(".")[0]
            for leaf, value in (("running_mean", np.zeros_like), ("running_var", np.ones_like)):
                translated[f"{prefix}.{leaf}"], origins[f"{prefix}.{leaf}"] = value(arrays[name]), None
    return translated, origins


def panet_release_mismatch(model, name, arrays):
    """Why a predictor does not fit the model's number of classes, or a bias has no place.

    Args:
        model: built model.
        name: str, the release's name of an array.
        arrays: dict from the release's names to arrays.

    Returns:
        str, or `None` for other reasons.
    """
    if name.startswith("Box_Outs."):
        scores = arrays.get("Box_Outs.cls_score.bias")
        return None if scores is None else class_mismatch(find_part(model, "box_head"), len(scores) - 1)
    if name.startswith("Mask_Outs."):
        return class_mismatch(find_part(model, "mask_head"), len(arrays[name]) - 1)
    if name.startswith("Conv_Body.panet_buttomup") and name.endswith(".0.bias"):
        path = find_part(model, "path")
        if path is not None and not path.use_bias:
            return "the model's bottom-up path has no biases: build PAFPN with use_bias=True"
    return None


def panet_release_conventions(arrays, style, epsilon=None):
    """The conventions of the release, as `conventions.panet` gives them.

    Args:
        arrays: dict from the release's names to arrays.
        style: none to choose from.
        epsilon: none to choose from.

    Returns:
        dict for `set_conventions`.
    """
    return conventions.panet(normed="Conv_Body.conv_top.1.weight" in arrays)
