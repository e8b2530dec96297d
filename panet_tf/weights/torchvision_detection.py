"""From torchvision's two-stage detectors to the parts of `RCNN`: names, and what else differs beside the layout.

Source: torchvision, `models/detection/faster_rcnn.py`, `mask_rcnn.py` and `keypoint_rcnn.py` (`*_resnet50_fpn`, the
first version).
"""

import re

from panet_tf.weights.key_maps import class_mismatch, find_part, yxhw

# What stands before the variable's name there, and the part and the layer here. `{}` is a number of the pattern, plus
# the offset. Published files are older than today's names, with which torchvision itself replaces theirs.
_NAMES = (
    (r"backbone\.body\.(.+)", "backbone", "{}", 0),
    (r"backbone\.fpn\.inner_blocks\.(\d+)(?:\.0)?", "neck", "lateral{}.conv", 2),
    (r"backbone\.fpn\.layer_blocks\.(\d+)(?:\.0)?", "neck", "output{}.conv", 2),
    (r"rpn\.head\.conv", "rpn_head", "conv1.conv", 0),
    (r"rpn\.head\.conv\.(\d+)\.0", "rpn_head", "conv{}.conv", 1),
    (r"rpn\.head\.cls_logits", "rpn_head", "objectness", 0),
    (r"rpn\.head\.bbox_pred", "rpn_head", "box_deltas", 0),
    (r"roi_heads\.box_head\.fc6", "box_head", "first.fc1.dense", 0),
    (r"roi_heads\.box_head\.fc7", "box_head", "fc2.dense", 0),
    (r"roi_heads\.box_predictor\.cls_score", "box_head", "class_logits", 0),
    (r"roi_heads\.box_predictor\.bbox_pred", "box_head", "box_deltas", 0),
    (r"roi_heads\.mask_head\.(?:mask_fcn1|0\.0)", "mask_head", "first.conv1.conv", 0),
    (r"roi_heads\.mask_head\.mask_fcn(\d+)", "mask_head", "conv{}.conv", 0),
    (r"roi_heads\.mask_head\.(\d+)\.0", "mask_head", "conv{}.conv", 1),
    (r"roi_heads\.mask_predictor\.conv5_mask", "mask_head", "deconv", 0),
    (r"roi_heads\.mask_predictor\.mask_fcn_logits", "mask_head", "logits", 0),
    (r"roi_heads\.keypoint_head\.0", "keypoint_head", "first.conv1.conv", 0),
    # Convolutions stand at even places, between them activations.
    *((rf"roi_heads\.keypoint_head\.{2 * i}", "keypoint_head", f"conv{i + 1}.conv", 0) for i in range(1, 8)),
    (r"roi_heads\.keypoint_predictor\.kps_score_lowres", "keypoint_head", "logits", 0),
)
_CLASS_SCORES = "roi_heads.box_predictor.cls_score.bias"
_PREDICTORS = ("roi_heads.box_predictor.", "roi_heads.mask_predictor.mask_fcn_logits.")
_CELLS = 7  # of a region's features, a side


def is_torchvision_detector(arrays):
    """Whether arrays are named as in torchvision's two-stage detectors.

    Args:
        arrays: dict from names to arrays.

    Returns:
        bool.
    """
    return "rpn.head.cls_logits.weight" in arrays and any(name.startswith("backbone.body.") for name in arrays)


def translate_torchvision(model, arrays):
    """Renames torchvision's arrays to those of a detector's parts, and reorders what `match_torch` leaves in order.

    Box deltas come as dx, dy, dw, dh and leave as dy, dx, dh, dw; the first fully-connected layer sees a region by
    channel, row, column and then by row, column, channel; box and mask predictors lose the background, which is the
    first of their classes. Layouts stay torch's.

    Args:
        model: built `RCNN`.
        arrays: dict from torchvision's names to arrays.

    Returns:
        `(arrays, origins)`: a dict from torch-like names of the model to arrays, those without a place in it under
        their own names; and a dict from these names to torchvision's.
    """
    translated, origins = {}, {}
    for name, array in arrays.items():
        target = target_name(model, name, _NAMES)
        origins[target] = name
        translated[target] = _reordered(name, array, arrays)
    return translated, origins


def predictor_mismatch(model, name, arrays):
    """Why a predictor does not fit the model's number of classes.

    Args:
        model: built `RCNN`.
        name: str, torchvision's name of an array.
        arrays: dict from torchvision's names to arrays.

    Returns:
        str, or `None` if it is no predictor of classes, or their number is the same.
    """
    if not name.startswith(_PREDICTORS) or _CLASS_SCORES not in arrays:
        return None
    return class_mismatch(find_part(model, "box_head"), len(arrays[_CLASS_SCORES]) - 1)


def target_name(model, name, names):
    """The torch-like name of a model's weight for one of torchvision's names, or that name itself without a place.

    Args:
        model: built detector with the parts that `names` refers to.
        name: str, torchvision's name of an array.
        names: rows of (pattern of what stands before the variable's name, part, layer, offset of its number).

    Returns:
        str.
    """
    prefix, _, leaf = name.rpartition(".")
    for pattern, part, layer, offset in names:
        found = re.fullmatch(pattern, prefix)
        if found is None:
            continue
        number = found[1] if found.groups() else ""
        layer = layer.format(int(number) + offset if number.isdigit() else number)
        path = _path(model, part)
        return name if path is None else ".".join([*path, layer, leaf])
    return name


def _path(model, part):
    """Where the weights of a part begin: a list of names, empty for a functional backbone; `None` without the part."""
    if part == "backbone":
        return []
    owner = find_part(model, part)
    return None if owner is None else owner.path.split("/")


def _reordered(name, array, arrays):
    if name.startswith("rpn.head.bbox_pred."):
        return yxhw(array.reshape(-1, 4, *array.shape[1:])).reshape(array.shape)
    if name.startswith("roi_heads.box_predictor.bbox_pred."):
        of_classes = array.reshape(-1, 4, *array.shape[1:])
        return yxhw(of_classes[1:]).reshape(-1, *array.shape[1:])
    if name.startswith("roi_heads.mask_predictor.mask_fcn_logits."):
        return array[1:]
    if name == "roi_heads.box_head.fc6.weight" and array.shape[1] % _CELLS**2 == 0:
        regions = array.reshape(len(array), -1, _CELLS, _CELLS)
        return regions.transpose(0, 2, 3, 1).reshape(array.shape)
    return array
