"""The model that a checkpoint of another program belongs to."""

import functools

import gin

from panet_tf.backbones.mobilenet_v2 import mobilenet_v2
from panet_tf.backbones.resnet import resnet
from panet_tf.heads.box import BoxHead
from panet_tf.heads.dense import DenseHead
from panet_tf.heads.keypoint import KeypointHead
from panet_tf.heads.mask import MaskHead
from panet_tf.heads.panoptic_fpn import PanopticFPNHead
from panet_tf.layers.adaptive_pooling import AdaptivePooling
from panet_tf.models.cascade_rcnn import cascade_rcnn
from panet_tf.models.coco_categories import coco_categories
from panet_tf.models.faster_rcnn import faster_rcnn
from panet_tf.models.keypoint_rcnn import keypoint_rcnn
from panet_tf.models.mask_rcnn import mask_rcnn
from panet_tf.models.oanet import panoptic_fpn
from panet_tf.models.retinanet import retinanet
from panet_tf.models.torchvision_rcnn import torchvision_rcnn
from panet_tf.models.torchvision_retinanet import torchvision_retinanet
from panet_tf.necks.fpn import FPN
from panet_tf.necks.pafpn import PAFPN
from panet_tf.weights.architecture import find_mobilenet_alpha, find_parts, find_resnet
from panet_tf.weights.arrays_file import read_arrays
from panet_tf.weights.keras_applications import is_keras_resnet
from panet_tf.weights.loading import load
from panet_tf.weights.published import locate
from panet_tf.weights.sources import find_source


@gin.register(module="panet_tf")
def from_checkpoint(
    path, *, source=None, categories=None, model=None, style=None, epsilon=None, verbose=True, **kwargs
):
    """Builds the model that a file of weights belongs to, loads them, and lets it behave as in its source.

    The names and shapes of the arrays tell the program, the backbone's kind and depth, the neck, the heads with their
    layers and channels, and the number of classes.

    Args:
        path: file, as for `panet_tf.weights.load`: a detector of torchvision, detectron2, mmdetection or the PANet
            authors' release; or a classifier of torchvision (ResNet, ResNeXt, MobileNetV2) or `keras.applications`
            (ResNet, MobileNetV2), which gives a backbone. Backbones alone carry no preprocessing: torchvision's want
            the mean and std of `Preprocessing`, `keras.applications`' ResNets the mean (123.68, 116.779, 103.939) of
            red, green, blue and std 1, its MobileNetV2 mean and std 127.5.
        source: optional str, the program: `"torchvision"`, `"detectron2"`, `"mmdetection"`, `"panet"` or
            `"keras_applications"`. By default the names tell.
        categories: sequence of dicts with `"id"` and `"name"`, of panoptic models things and stuff with `"isthing"`.
            Defaults to COCO's where their number is COCO's, else to numbered ones. Where there are more or fewer than
            in the file, predictors keep their fresh values.
        model: optional function of `categories` that builds the model, as `panet_tf.models.mask_rcnn`, in place of the
            inferred architecture.
        style, epsilon: as in `panet_tf.weights.load`: what the backbone's training began with, and its norms' epsilon.
        verbose: bool, whether the report of the loading is printed. Defaults to True.
        **kwargs: of the assembly, in place of what was inferred: `detection_selector`, `preprocessing` ...

    Returns:
        Built model with the file's weights: `RCNN`, `RetinaNet`, or a backbone.

    Raises:
        ValueError: if the file is none of these, or its architecture cannot be told.

    Example:
        >>> model = from_checkpoint("model_final_a54504.pkl")
        >>> model.save("mask_rcnn_r50_fpn_1x.keras")
    """
    file = locate(path)
    arrays = read_arrays(file)
    classifier = _classifier(arrays)
    if classifier is not None:
        load(classifier, file, epsilon=epsilon, verbose=verbose)
        return classifier
    program = find_source(arrays, source)
    if program is None:
        raise ValueError(
            f"{file.name} must be a checkpoint of torchvision, detectron2, mmdetection, the PANet authors' release or "
            f"keras.applications, received arrays like {sorted(arrays)[:3]}."
        )
    parts = find_parts(arrays, program.name)
    if categories is None:
        categories = _categories(parts, program.name)
    if model is None:
        strides = "1x1" if (style or program.style(arrays, file.name)) == "caffe" else "3x3"
        backbone = functools.partial(resnet, stride_in=strides, norm=_backbone_norm(arrays, program.name))
        kwargs = {"backbone": backbone(**find_resnet(arrays, program.name)), **kwargs}
        model = functools.partial(_detector, arrays=arrays, parts=parts, program=program.name, **kwargs)
    else:
        model = functools.partial(model, **kwargs)
    built = model(categories=categories)
    load(built, file, source=program.name, style=style, epsilon=epsilon, verbose=verbose)
    return built


def _classifier(arrays):
    """The backbone that a classifier holds, or `None` of other checkpoints."""
    alpha = find_mobilenet_alpha(arrays)
    if alpha is not None:
        return mobilenet_v2(alpha=alpha)
    if is_keras_resnet(arrays):
        blocks = sum(name.endswith("_1_conv/kernel") for name in arrays)
        depths = {16: 50, 33: 101, 50: 152}
        if blocks not in depths:
            raise ValueError(f"a ResNet of keras.applications must have 16, 33 or 50 blocks, received {blocks}.")
        return resnet(depths[blocks])
    if "layer1.0.conv1.weight" in arrays and "conv1.weight" in arrays:
        return resnet(**find_resnet(arrays))
    return None


def _categories(parts, program):
    dense = parts.get("dense_classes")
    if dense:
        number = dense[""][0] // (parts["dense_boxes"][""][0] // 4) - (program == "torchvision")
    else:
        number = next(iter(parts["classes"].values()))[0] - 1
    keypoints = _num_keypoints(parts)
    if "stuff" in parts:  # whose first class stands for all things
        stuff = parts["stuff"][""][0] - 1
        if (number, stuff) == (80, 53):
            return coco_categories("coco_panoptic")
        things = [int(i <= number) for i in range(1, number + stuff + 1)]
        return [{"id": i, "name": f"category {i}", "isthing": thing} for i, thing in enumerate(things, start=1)]
    kind = {90: "coco_90", 80: "coco_80", 1: "coco_person" if keypoints == 17 else None}.get(number)
    if kind:
        return coco_categories(kind)
    more = {"keypoints": [f"keypoint {i}" for i in range(1, keypoints + 1)]} if keypoints else {}
    return [{"id": i, "name": f"category {i}", **more} for i in range(1, number + 1)]


def _num_keypoints(parts):
    return parts["keypoints"][""][1] if "keypoints" in parts else 0


def _detector(*, categories, arrays, parts, program, **kwargs):
    """The detector that has a place for every array. What `load` sets as conventions is left at its default."""
    filters = parts["neck"][""][0]
    norm = _norm(arrays, "neck_norm", parts)
    shared = {"categories": categories, "filters": filters, "norm": norm}
    torchvision = program == "torchvision"
    if "dense_classes" in parts:
        return (torchvision_retinanet if torchvision else retinanet)(**(shared | _dense(parts, filters) | kwargs))
    if "path" in parts:
        shared["necks"] = [
            FPN(filters=filters, norm=norm),
            PAFPN(filters=filters, norm=norm, use_bias=program == "panet" or norm is None),
        ]
    heads, assemble = {"box_head": _box_head(arrays, parts, program, norm)}, faster_rcnn
    if "masks" in parts:
        heads["mask_head"], assemble = _mask_head(arrays, parts, program, norm), mask_rcnn
    if "box_levels" in parts:
        heads["box_pooling"] = AdaptivePooling(output_size=7)
        heads |= {"mask_pooling": AdaptivePooling(output_size=14)} if "masks" in parts else {}
    if "keypoints" in parts:
        heads["keypoint_head"] = _keypoint_head(parts, program)
        assemble = functools.partial(keypoint_rcnn, masks="masks" in parts)
    if torchvision:
        assemble = functools.partial(torchvision_rcnn, masks="masks" in parts, keypoints="keypoints" in parts)
    if "stages" in parts:
        assemble = functools.partial(cascade_rcnn, assemble=assemble)
    if "stuff" in parts:
        heads["semantic_head"] = functools.partial(
            PanopticFPNHead, filters=parts["stuff_convs"][""][0], norm=_norm(arrays, "stuff_norm", parts)
        )
        assemble = functools.partial(panoptic_fpn, instance_model=assemble)
    return assemble(**(shared | heads | kwargs))


def _norm(arrays, part, parts):
    """Norm of a part: detectors have group norms there, or batch norms that were trained over all devices."""
    if part not in parts:
        return None
    return "sync_bn" if any(name.startswith("backbone.fpn") and "running_mean" in name for name in arrays) else "group"


def _backbone_norm(arrays, program):
    """Detectors' backbones have frozen batch norms (the release's are folded), or group norms: those keep no means."""
    if program == "panet" or any(name.startswith("backbone.") and "running_mean" in name for name in arrays):
        return "frozen_bn"
    return "group"


def _dense(parts, filters):
    head = functools.partial(
        DenseHead,
        num_anchors=parts["dense_boxes"][""][0] // 4,
        filters=filters,
        num_convs=len(parts["dense_convs"]),
    )
    return {"head": head, "extra_levels": "p5" if parts["extra"][""][1] == filters else "c5"}


def _box_head(arrays, parts, program, norm):
    convs, fcs = parts.get("box_convs", {}), parts["box_fcs"]
    num_classes = next(iter(parts["classes"].values()))[0] - 1
    options = {
        "num_convs": len(convs),
        "num_fcs": len(fcs),
        "units": next(iter(fcs.values()))[0],
        "filters": next(iter(convs.values()))[0] if convs else parts["neck"][""][0],
        "norm": _norm(arrays, "box_norm", parts),
        "class_agnostic": next(iter(parts["boxes"].values()))[0] == 4 and num_classes > 1,
    }
    if program == "panet":
        light = "box_conv" not in parts
        options |= {"num_convs": 0 if light else 4, "num_fcs": 2 if light else 1, "norm": norm}
    return functools.partial(BoxHead, **options)


def _mask_head(arrays, parts, program, norm):
    convs = parts.get("mask_convs", {})
    options = {
        "num_convs": len(convs) or 4,
        "filters": next(iter(convs.values()))[0] if convs else parts["neck"][""][0],
        "norm": _norm(arrays, "mask_norm", parts),
        "class_agnostic": parts["masks"][""][0] == 1 and next(iter(parts["classes"].values()))[0] > 2,
    }
    if program == "panet":
        options |= {"norm": norm, "fully_connected": "conv3" if "mask_fc" in parts else None}
    return functools.partial(MaskHead, **options)


def _keypoint_head(parts, program):
    convs = parts["keypoint_convs"]
    more = {"score": "logit", "keep_logits": True} if program == "torchvision" else {}
    return KeypointHead(
        num_keypoints=_num_keypoints(parts), num_convs=len(convs), filters=next(iter(convs.values()))[0], **more
    )
