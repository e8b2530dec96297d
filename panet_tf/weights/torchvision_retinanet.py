"""From torchvision's RetinaNet to the parts of ours: names, and what else differs beside the layout.

Source: torchvision, `models/detection/retinanet.py` (`retinanet_resnet50_fpn`, the first version).
"""

import re

from panet_tf.weights.key_maps import find_part, yxhw
from panet_tf.weights.torchvision_detection import target_name

# As in `torchvision_detection`. The pyramid has no P2: its first level is P3.
_NAMES = (
    (r"backbone\.body\.(.+)", "backbone", "{}", 0),
    (r"backbone\.fpn\.inner_blocks\.(\d+)(?:\.0)?", "neck", "lateral{}.conv", 3),
    (r"backbone\.fpn\.layer_blocks\.(\d+)(?:\.0)?", "neck", "output{}.conv", 3),
    (r"backbone\.fpn\.extra_blocks\.p(\d)", "neck", "extra{}.conv", 0),
    (r"head\.classification_head\.conv\.(\d+)\.0", "head", "class_conv{}.conv", 1),
    (r"head\.classification_head\.cls_logits", "head", "class_logits", 0),
    (r"head\.regression_head\.conv\.(\d+)\.0", "head", "box_conv{}.conv", 1),
    (r"head\.regression_head\.bbox_reg", "head", "box_deltas", 0),
)
# Published files count the activations between the convolutions too.
_OLDER = re.compile(r"(head\.(?:classification|regression)_head\.conv)\.(\d+)\.(weight|bias)")
_CLASSES = "head.classification_head.cls_logits"
_BOXES = "head.regression_head.bbox_reg"


def is_torchvision_retinanet(arrays):
    """Whether arrays are named as in torchvision's RetinaNet.

    Args:
        arrays: dict from names to arrays.

    Returns:
        bool.
    """
    return f"{_CLASSES}.weight" in arrays and any(name.startswith("backbone.body.") for name in arrays)


def translate_torchvision_retinanet(model, arrays):
    """Renames torchvision's arrays to those of a RetinaNet's parts, and reorders what `match_torch` leaves in order.

    The anchors of a cell come by ratio, then size, and leave by size, then ratio; box deltas come as dx, dy, dw, dh and
    leave as dy, dx, dh, dw. torchvision's first class stands for the background and is never learned: a model with one
    class fewer than the file goes without it, one with as many keeps it.

    Args:
        model: built `RetinaNet`.
        arrays: dict from torchvision's names to arrays.

    Returns:
        `(arrays, origins)`: a dict from torch-like names of the model to arrays, those without a place in it under
        their own names; and a dict from these names to torchvision's.
    """
    translated, origins = {}, {}
    for name, array in arrays.items():
        newer = _OLDER.sub(lambda found: f"{found[1]}.{int(found[2]) // 2}.0.{found[3]}", name)
        target = target_name(model, newer, _NAMES)
        origins[target] = name
        translated[target] = _reordered(model, newer, array, arrays)
    return translated, origins


def retinanet_mismatch(model, name, arrays):
    """Why the class predictor does not fit the model's number of classes.

    Args:
        model: built `RetinaNet`.
        name: str, torchvision's name of an array.
        arrays: dict from torchvision's names to arrays.

    Returns:
        str, or `None` if it is another array, or the number fits.
    """
    if not name.startswith(f"{_CLASSES}.") or find_part(model, "head") is None:
        return None
    there, here = _num_classes(model, arrays), model.head.num_classes
    if here in (there, there - 1):
        return None
    return f"it predicts {there} classes, background included, the model has {here}"


def _num_classes(model, arrays):
    return len(arrays[f"{_CLASSES}.weight"]) // model.head.num_anchors


def _reordered(model, name, array, arrays):
    prefix = name.rpartition(".")[0]
    if find_part(model, "head") is None:
        return array
    ratios, anchors = len(model.anchor_generator.ratios), model.head.num_anchors
    if prefix not in (_CLASSES, _BOXES) or len(array) % anchors:
        return array
    # (ratios, sizes, classes or deltas, ...) to (sizes, ratios, ...)
    parts = array.reshape(ratios, anchors // ratios, -1, *array.shape[1:]).swapaxes(0, 1)
    parts = parts.reshape(anchors, *parts.shape[2:])
    if prefix == _BOXES:
        parts = yxhw(parts)
    elif parts.shape[1] == model.head.num_classes + 1:
        parts = parts[:, 1:]
    return parts.reshape(-1, *array.shape[1:])
