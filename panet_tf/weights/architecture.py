"""What the names and shapes of a checkpoint's arrays say of the model that they belong to."""

import re

_CONV, _WEIGHT = r"\.conv(\d)\.weight", r"\.weight"

# Where each program keeps what tells a model's parts; `(\d+)` counts, what stands for one array is without a group.
# "blocks" has groups for stage, block and convolution. "first_stage" is how that program counts its first stage.
_TORCHVISION_BLOCKS = r"layer(\d)\.(\d+)" + _CONV
_PATTERNS = {
    "torchvision": {
        "first_stage": 1,
        "blocks": rf"backbone\.body\.{_TORCHVISION_BLOCKS}",
        "neck": r"backbone\.fpn\.inner_blocks\.0(?:\.0)?" + _WEIGHT,
        "classes": r"roi_heads\.box_predictor\.cls_score" + _WEIGHT,
        "boxes": r"roi_heads\.box_predictor\.bbox_pred" + _WEIGHT,
        "box_fcs": r"roi_heads\.box_head\.fc(\d+)" + _WEIGHT,
        "masks": r"roi_heads\.mask_predictor\.mask_fcn_logits" + _WEIGHT,
        "mask_convs": r"roi_heads\.mask_head\.(?:mask_fcn)?(\d+)(?:\.0)?" + _WEIGHT,
        "keypoints": r"roi_heads\.keypoint_predictor\.kps_score_lowres" + _WEIGHT,
        "keypoint_convs": r"roi_heads\.keypoint_head\.(\d+)" + _WEIGHT,
        "dense_classes": r"head\.classification_head\.cls_logits" + _WEIGHT,
        "dense_boxes": r"head\.regression_head\.bbox_reg" + _WEIGHT,
        "dense_convs": r"head\.regression_head\.conv\.(\d+)(?:\.0)?" + _WEIGHT,
        "extra": r"backbone\.fpn\.extra_blocks\.p6" + _WEIGHT,
    },
    "detectron2": {
        "first_stage": 2,
        "blocks": r"backbone\.bottom_up\.res(\d)\.(\d+)" + _CONV,
        "offsets": r"backbone\.bottom_up\.res(\d)\.\d+\.conv2_offset" + _WEIGHT,
        "neck": r"backbone\.fpn_lateral5" + _WEIGHT,
        "neck_norm": r"backbone\.fpn_lateral5\.norm" + _WEIGHT,
        "classes": r"roi_heads\.box_predictor\.(?:0\.)?cls_score" + _WEIGHT,
        "boxes": r"roi_heads\.box_predictor\.(?:0\.)?bbox_pred" + _WEIGHT,
        "box_convs": r"roi_heads\.box_head\.(?:0\.)?conv(\d+)" + _WEIGHT,
        "box_fcs": r"roi_heads\.box_head\.(?:0\.)?fc(\d+)" + _WEIGHT,
        "box_norm": r"roi_heads\.box_head\.(?:0\.)?conv1\.norm" + _WEIGHT,
        "stages": r"roi_heads\.box_predictor\.(\d+)\.cls_score" + _WEIGHT,
        "masks": r"roi_heads\.mask_head\.predictor" + _WEIGHT,
        "mask_convs": r"roi_heads\.mask_head\.mask_fcn(\d+)" + _WEIGHT,
        "mask_norm": r"roi_heads\.mask_head\.mask_fcn1\.norm" + _WEIGHT,
        "keypoints": r"roi_heads\.keypoint_head\.score_lowres" + _WEIGHT,
        "keypoint_convs": r"roi_heads\.keypoint_head\.conv_fcn(\d+)" + _WEIGHT,
        "dense_classes": r"head\.cls_score" + _WEIGHT,
        "dense_boxes": r"head\.bbox_pred" + _WEIGHT,
        "dense_convs": r"head\.bbox_subnet\.(\d+)" + _WEIGHT,
        "extra": r"backbone\.top_block\.p6" + _WEIGHT,
        "stuff": r"sem_seg_head\.predictor" + _WEIGHT,
        "stuff_convs": r"sem_seg_head\.p2\.0" + _WEIGHT,
        "stuff_norm": r"sem_seg_head\.p2\.0\.norm" + _WEIGHT,
    },
    "mmdetection": {
        "first_stage": 1,
        "blocks": rf"backbone\.{_TORCHVISION_BLOCKS}",
        "offsets": r"backbone\.layer(\d)\.\d+\.conv2\.conv_offset" + _WEIGHT,
        "neck": r"neck\.lateral_convs\.0\.conv" + _WEIGHT,
        "neck_norm": r"neck\.lateral_convs\.0\.(?:bn|gn)" + _WEIGHT,
        "path": r"neck\.downsample_convs\.0\.conv" + _WEIGHT,
        "classes": r"roi_head\.bbox_head\.fc_cls" + _WEIGHT,
        "boxes": r"roi_head\.bbox_head\.fc_reg" + _WEIGHT,
        "box_convs": r"roi_head\.bbox_head\.shared_convs\.(\d+)\.conv" + _WEIGHT,
        "box_fcs": r"roi_head\.bbox_head\.shared_fcs\.(\d+)" + _WEIGHT,
        "masks": r"roi_head\.mask_head\.conv_logits" + _WEIGHT,
        "mask_convs": r"roi_head\.mask_head\.convs\.(\d+)\.conv" + _WEIGHT,
    },
    "panet": {
        "first_stage": 2,
        "blocks": r"Conv_Body\.conv_body\.res(\d)\.(\d+)" + _CONV,
        "neck": r"Conv_Body\.conv_top(?:\.0)?" + _WEIGHT,
        "neck_norm": r"Conv_Body\.conv_top\.1" + _WEIGHT,
        "path": r"Conv_Body\.panet_buttomup_conv1_modules\.0(?:\.0)?" + _WEIGHT,
        "classes": r"Box_Outs\.cls_score" + _WEIGHT,
        "boxes": r"Box_Outs\.bbox_pred" + _WEIGHT,
        "box_levels": r"Box_Head\.(?:conv1_head|fc1)\.(\d)\.0" + _WEIGHT,
        "box_conv": r"Box_Head\.conv1_head\.0\.0" + _WEIGHT,
        "box_fcs": r"Box_Head\.fc()\d?(?:\.0)*" + _WEIGHT,
        "masks": r"Mask_Outs\.classify" + _WEIGHT,
        "mask_fc": r"Mask_Head\.mask_fc\.0" + _WEIGHT,
    },
}
# Of classifiers: torchvision's names, without anything in front.
_CLASSIFIER = {"first_stage": 1, "blocks": _TORCHVISION_BLOCKS}
_DEPTHS = {
    (False, (2, 2, 2, 2)): 18,
    (False, (3, 4, 6, 3)): 34,
    (True, (3, 4, 6, 3)): 50,
    (True, (3, 4, 23, 3)): 101,
    (True, (3, 8, 36, 3)): 152,
}


def find_parts(arrays, source):
    """Arrays of a detector that tell what it is made of.

    Args:
        arrays: dict from names to arrays.
        source: `"torchvision"`, `"detectron2"`, `"mmdetection"` or `"panet"`.

    Returns:
        dict from parts that the checkpoint has (`"neck"`, `"classes"`, `"masks"` ...) to dicts: from what the
        pattern's group found, as "1" of a first convolution, or "" without one, to shapes.

    Example:
        >>> find_parts(read_arrays("model_final_a54504.pkl"), "detectron2")["masks"]
        {'': (80, 256, 1, 1)}
    """
    parts = {}
    for part, pattern in _PATTERNS[source].items():
        if part in ("first_stage", "blocks"):
            continue
        for name, array in arrays.items():
            found = re.fullmatch(pattern, name)
            if found is not None:
                parts.setdefault(part, {})["".join(found.groups())] = tuple(array.shape)
    return parts


def find_resnet(arrays, source=None):
    """Which ResNet a checkpoint holds.

    Args:
        arrays: dict from names to arrays.
        source: program of a detector, as in `find_parts`; `None` for a classifier with torchvision's names.

    Returns:
        dict of arguments of `panet_tf.backbones.resnet`: `depth`, `groups`, `width_per_group` (of the first stage), and
        where it has deformable convolutions `deform_stages`, `deform_modulated` and `deform_groups`.

    Raises:
        ValueError: if the blocks are not those of a ResNet-18, 34, 50, 101 or 152, or of a ResNeXt of such depth.

    Example:
        >>> find_resnet(read_arrays("resnext50_32x4d-7cdf4587.pth"))
        {'depth': 50, 'groups': 32, 'width_per_group': 4}
    """
    patterns = _CLASSIFIER if source is None else _PATTERNS[source]
    shapes = {}
    for name, array in arrays.items():
        found = re.fullmatch(patterns["blocks"], name)
        if found is not None:
            stage, block, conv = map(int, found.groups())
            shapes[stage - patterns["first_stage"], block, conv] = tuple(array.shape)
    counts = tuple(len({block for stage, block, _ in shapes if stage == number}) for number in range(4))
    bottleneck = any(conv == 3 for _, _, conv in shapes)
    if (bottleneck, counts) not in _DEPTHS:
        raise ValueError(
            f"the checkpoint's backbone must be a ResNet of depth {sorted(_DEPTHS.values())}, received stages of "
            f"{counts} {'bottlenecks' if bottleneck else 'blocks'}."
        )
    middle = shapes[0, 0, 2]
    groups = middle[0] // middle[1] if bottleneck else 1
    width = middle[0] // groups
    found = {"depth": _DEPTHS[bottleneck, counts], "groups": groups, "width_per_group": width}
    offsets = find_parts(arrays, source).get("offsets") if source else None
    if offsets:
        channels = next(iter(offsets.values()))[0]  # 2 or, with factors, 3 for each of nine taps
        modulated = channels % 27 == 0
        stages = sorted(int(stage) - patterns["first_stage"] + 2 for stage in offsets)
        found |= {"deform_stages": tuple(f"C{stage}" for stage in stages), "deform_modulated": modulated}
        found["deform_groups"] = channels // (27 if modulated else 18)
    return found


def find_mobilenet_alpha(arrays):
    """The width factor of a MobileNetV2 with torchvision's names or `keras.applications`', or `None` of another model.

    Args:
        arrays: dict from names to arrays.

    Returns:
        float, of the widest layer that scales, to 0.01.
    """
    for name, axis in (("features.17.conv.2.weight", 0), ("block_16_project/kernel", -1)):
        if name in arrays:
            return round(arrays[name].shape[axis] / 320, 2)
    return None
