"""From detectron2's detectors to ours: names, and what else differs beside the layout.

The pyramid's, the RPN's and the heads' names are those of `Base-RCNN-FPN` and `Base-RetinaNet`. Boxes have no
background, classes have it last. The first convolution takes blue, green, red there.

Source: detectron2, `modeling/backbone/{resnet,fpn}.py`, `modeling/proposal_generator/rpn.py`,
`modeling/roi_heads/*.py`, `modeling/meta_arch/{retinanet,semantic_seg}.py`.
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
    resnet_rules,
    reversed_colors,
    translate,
)

_HEAD = r"roi_heads\.box_head\."
_PREDICTOR = r"roi_heads\.box_predictor\."


def _box_rules(stage, part):
    """Rules of one box head; in a cascade a number precedes the names of each."""
    head, predictor = f"{_HEAD}{stage}", f"{_PREDICTOR}{stage}"
    return (
        Rule(head + r"conv(\d+)", part, head_conv(layer="conv")),
        Rule(head + r"conv(\d+)\.norm", part, head_conv(layer="norm")),
        Rule(head + r"fc(1)", part, head_dense(), flattened("box_pooling")),
        Rule(head + r"fc(\d+)", part, head_dense()),
        Rule(predictor + "cls_score", part, "class_logits", background_first),
        Rule(predictor + "bbox_pred", part, "box_deltas", box_deltas),
    )


def _subnet(name, ours):
    """Convolutions of a RetinaNet's subnet: every second module, or third with norms, in the order of their numbers."""

    def place(kind):
        def layer(head, number):
            step = 2 if getattr(head, "norm", None) is None else 3
            return f"{ours}_conv{int(number) // step + 1}.{kind(int(number) % step)}"

        return layer

    return Rule(rf"head\.{name}\.(\d+)", "head", place(lambda rest: "norm" if rest else "conv"))


def _stage(kind):
    """Convolutions of a level in the semantic head: between them it upsamples."""
    return lambda _, level, place: f"level{level}_conv{int(place) // 2 + 1}.{kind}"


RULES = (
    Rule(r"backbone\.bottom_up\.stem\.conv1", "backbone", "conv1", reversed_colors),
    Rule(r"backbone\.bottom_up\.stem\.conv1\.norm", "backbone", "bn1"),
    *resnet_rules(r"backbone\.bottom_up\.", norm=r"conv{}\.norm", shortcut=("shortcut", r"shortcut\.norm")),
    Rule(
        r"backbone\.bottom_up\.res(\d+)\.(\d+)\.conv2_offset",
        "backbone",
        lambda _, stage, block: f"layer{int(stage) - 1}.{block}.conv2.offset",
    ),
    Rule(r"backbone\.fpn_lateral(\d)", "neck", "lateral{0}.conv"),
    Rule(r"backbone\.fpn_lateral(\d)\.norm", "neck", "lateral{0}.norm"),
    Rule(r"backbone\.fpn_output(\d)", "neck", "output{0}.conv"),
    Rule(r"backbone\.fpn_output(\d)\.norm", "neck", "output{0}.norm"),
    Rule(r"backbone\.top_block\.p(\d)", "neck", "extra{0}.conv"),
    Rule(r"proposal_generator\.rpn_head\.conv", "rpn_head", "conv1.conv"),
    Rule(r"proposal_generator\.rpn_head\.conv\.conv(\d+)", "rpn_head", numbered("conv{}.conv", 1)),
    Rule(r"proposal_generator\.rpn_head\.objectness_logits", "rpn_head", "objectness"),
    Rule(r"proposal_generator\.rpn_head\.anchor_deltas", "rpn_head", "box_deltas", anchor_deltas),
    *_box_rules("", "box_head"),
    *_box_rules(r"0\.", "box_head"),
    *(rule for stage in (1, 2) for rule in _box_rules(rf"{stage}\.", f"box_stages.{stage - 1}.box_head")),
    Rule(r"roi_heads\.mask_head\.mask_fcn(\d+)", "mask_head", head_conv(layer="conv")),
    Rule(r"roi_heads\.mask_head\.mask_fcn(\d+)\.norm", "mask_head", head_conv(layer="norm")),
    Rule(r"roi_heads\.mask_head\.deconv", "mask_head", "deconv"),
    Rule(r"roi_heads\.mask_head\.predictor", "mask_head", "logits"),
    Rule(r"roi_heads\.keypoint_head\.conv_fcn(\d+)", "keypoint_head", head_conv(layer="conv")),
    Rule(r"roi_heads\.keypoint_head\.score_lowres", "keypoint_head", "logits"),
    _subnet("cls_subnet", "class"),
    _subnet("bbox_subnet", "box"),
    Rule(r"sem_seg_head\.p(\d)\.(\d)", "semantic_head", _stage("conv")),
    Rule(r"sem_seg_head\.p(\d)\.(\d)\.norm", "semantic_head", _stage("norm")),
    Rule(r"sem_seg_head\.predictor", "semantic_head", "logits"),
    Rule(r"head\.cls_score", "head", "class_logits"),
    Rule(r"head\.bbox_pred", "head", "box_deltas", anchor_deltas),
)
# Constants that older files hold beside the weights.
_CONSTANTS = {
    "pixel_mean": "a constant: preprocessing has it",
    "pixel_std": "a constant: preprocessing has it",
    "cell_anchors": "a constant: the anchor generator makes it",
}


def is_detectron2(arrays):
    """Whether arrays are named as in detectron2's detectors on FPN.

    Args:
        arrays: dict from names to arrays.

    Returns:
        bool.
    """
    return any(name.startswith(("backbone.bottom_up.", "backbone.fpn_lateral")) for name in arrays)


def translate_detectron2(model, arrays, style="caffe"):
    """Renames and reorders detectron2's arrays, as `key_maps.translate` does.

    Args:
        model: built detector, or a backbone.
        arrays: dict from detectron2's names to arrays.
        style: not looked at: both take blue, green, red.

    Returns:
        `(arrays, origins)`.
    """
    return translate(model, arrays, RULES)


def detectron2_mismatch(model, name, arrays):
    """Why an array of detectron2 has no place: another number of classes or keypoints, or it is no weight.

    Args:
        model: built model.
        name: str, detectron2's name.
        arrays: dict from detectron2's names to arrays.

    Returns:
        str, or `None` for other reasons.
    """
    for mark, reason in _CONSTANTS.items():
        if mark in name.split("."):
            return reason
    array = arrays[name]
    if name.startswith("head.cls_score."):
        head = find_part(model, "head")
        return class_mismatch(head, len(array) // getattr(head, "num_anchors", 9))
    if name.startswith("roi_heads.box_predictor."):
        scores = next((value for key, value in arrays.items() if key.endswith("cls_score.bias")), None)
        return None if scores is None else class_mismatch(find_part(model, "box_head"), len(scores) - 1)
    if name.startswith("roi_heads.mask_head.predictor."):
        return class_mismatch(find_part(model, "mask_head"), len(array))
    if name.startswith("sem_seg_head.predictor."):
        return class_mismatch(find_part(model, "semantic_head"), len(array), "semantic classes")
    if name.startswith("roi_heads.keypoint_head.score_lowres."):
        there = array.shape[1 if array.ndim > 1 else 0]
        here = getattr(find_part(model, "keypoint_head"), "num_keypoints", there)
        return None if here == there else f"it predicts {there} keypoints, the model has {here}"
    return None


def detectron2_style(arrays, file_name):
    """The style of a detectron2 file: ResNeXts, and files with a std in them, are of torch's.

    Args:
        arrays: dict from detectron2's names to arrays.
        file_name: not looked at.

    Returns:
        `"caffe"` or `"torch"`.
    """
    middle = arrays.get("backbone.bottom_up.res2.0.conv2.weight")
    grouped = middle is not None and middle.ndim == 4 and middle.shape[1] < middle.shape[0]
    std = arrays.get("pixel_std")
    return "torch" if grouped or (std is not None and abs(std - 1).max() > 0) else "caffe"


def detectron2_conventions(arrays, style, epsilon=None):
    """The conventions of a detectron2 file, as `conventions.detectron2` gives them.

    Args:
        arrays: dict from detectron2's names to arrays, which tell the kind of model.
        style: `"caffe"` or `"torch"`.
        epsilon: none to choose from.

    Returns:
        dict for `set_conventions`.
    """
    return conventions.detectron2(
        style=style,
        cascade="roi_heads.box_predictor.1.cls_score.weight" in arrays,
        keypoints=any(name.startswith("roi_heads.keypoint_head.") for name in arrays),
        panoptic=any(name.startswith("sem_seg_head.") for name in arrays),
        dense="head.cls_score.weight" in arrays,
    )
