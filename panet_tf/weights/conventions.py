"""What each program does otherwise than we do, and setting it on a built model.

A detector's weights are of use only to a model that puts anchors, samples features and decodes boxes as the program did
that trained them. Settings are attributes of the model's parts; the tables say all that a source decides, also where it
agrees with our defaults, so that a model with other settings is brought to it. What a user decides stays: numbers of
classes, anchors' sizes, regions sampled, detections kept.

Source: torchvision, `models/detection`; keras, `applications/imagenet_utils.py`; detectron2, `config/defaults.py` and
`configs/Base-*.yaml`; mmdetection, `configs/_base_/models`; Detectron, `core/config.py`, and PANet's release,
`configs/panet`.
"""

import keras

from panet_tf.weights.key_maps import find_part

RGB_MEAN = (123.675, 116.28, 103.53)
RGB_STD = (58.395, 57.12, 57.375)
UNIT_STD = (1.0, 1.0, 1.0)  # of networks that began with MSRA's Caffe weights
WIDE = {"canvases": ((800, 1344), (1344, 800)), "short_side": 800, "long_side": 1333}
BOX_WEIGHTS = (10.0, 10.0, 5.0, 5.0)
POOLINGS = ("box_pooling", "mask_pooling", "keypoint_pooling")


def torchvision(*, keypoints=False, dense=False, epsilon=None):
    """torchvision's detectors, first version: `*_resnet50_fpn`.

    Args:
        keypoints: bool, Keypoint R-CNN. Defaults to False.
        dense: bool, RetinaNet. Defaults to False.
        epsilon: float of the batch norms: 0 for the published COCO files, which do not say so; `None` leaves it.

    Returns:
        dict of dicts for `set_conventions`.
    """
    shared = {
        "anchor_generator": {"offset": 0.0, "rounding": True, "stride": "ratio"},
        "model": {"whole_pixels": True},
        "backbone": {"stride_in": "3x3"} | ({} if epsilon is None else {"epsilon": epsilon}),
        "preprocessing": {**WIDE, "mean": RGB_MEAN, "std": RGB_STD, "antialias": False, "truncate": True},
    }
    if dense:
        per_image = {"class_loss": "positive_per_image", "box_loss": "positive_per_image"}
        return _merged(shared, _dense(), {"model": {"box_beta": 0.0, "normalizers": per_image}})
    regions = _two_stage(post_nms_top_k=(2000, 1000), rpn_beta=1 / 9, box_beta=1 / 9)
    sizes = {"proposal_selector": {"min_size": 1e-3}, "detection_selector": {"min_size": 1e-2}}
    head = {"keypoint_head": {"score": "logit", "keep_logits": True}} if keypoints else {}  # points are read exactly
    pooling = _pooling(samples=2, aligned=False, level_epsilon=1e-6)
    return _merged(shared, regions, sizes, pooling, head)


def detectron2(*, style="caffe", cascade=False, keypoints=False, panoptic=False, dense=False):
    """detectron2's model zoo: Faster, Mask, Keypoint, Cascade, Panoptic R-CNN and RetinaNet on FPN.

    Args:
        style: `"caffe"` for R-50 and R-101, which began with MSRA's weights: strides in 1x1 convolutions, no std;
            `"torch"` for X-101 and models that began with torchvision's. Defaults to `"caffe"`.
        cascade, keypoints, panoptic, dense: bool, the kind of model. Default to False.

    Returns:
        dict of dicts for `set_conventions`.
    """
    shared = {
        "anchor_generator": {"offset": 0.0, "rounding": False, "stride": "level"},
        "model": {"whole_pixels": False},
        "backbone": {"stride_in": "1x1" if style == "caffe" else "3x3", "epsilon": 1e-5},
        "preprocessing": {
            **WIDE,
            "mean": RGB_MEAN,
            "std": UNIT_STD if style == "caffe" else RGB_STD,
            "antialias": True,
            "truncate": False,
        },
    }
    if dense:
        return _merged(shared, _dense(), {"model": {"box_beta": 0.0}})
    training = 2000 if cascade else 1500 if keypoints else 1000
    regions = _two_stage(post_nms_top_k=(training, 1000), rpn_beta=0.0, box_beta=0.5 if keypoints else 0.0)
    stages = {}
    if cascade:
        for stage, (iou, factor) in enumerate(((0.6, 2), (0.7, 3))):
            weights = tuple(factor * weight for weight in BOX_WEIGHTS)
            stages[f"box_stages.{stage}.roi_sampler"] = {
                "positive_iou": iou,
                "box_weights": weights,
                "crowd_overlap": None,
            }
        stages["detection_selector"] = {"box_weights": weights}
    head = {"keypoint_head": {"score": "softmax", "keep_logits": True}} if keypoints else {}
    merging = {
        "context": "stuff_plus_thing",
        "order": "detection",
        "score_threshold": 0.5,
        "overlap_threshold": 0.5,
        "min_stuff_area": 4096,
        "stuff_area": "total",
        "thing_classes": "void",
    }
    head |= {"panoptic_merger": merging} if panoptic else {}
    return _merged(shared, regions, stages, head, _pooling(samples=0, aligned=True, level_epsilon=0.0))


def mmdetection(*, style="torch"):
    """mmdetection 2.0 and later: Faster and Mask R-CNN on FPN or PAFPN.

    Args:
        style: `"torch"` (its own word is pytorch) or `"caffe"`, of the backbone and its preprocessing. Defaults to
            `"torch"`.

    Returns:
        dict of dicts for `set_conventions`.
    """
    return _merged(
        {
            "anchor_generator": {"offset": 0.0, "rounding": False, "stride": "level"},
            "path": {"refined": False, "activation": None},
            "model": {"whole_pixels": False},
            "backbone": {"stride_in": "1x1" if style == "caffe" else "3x3", "epsilon": 1e-5},
            "preprocessing": {
                **WIDE,
                "mean": RGB_MEAN,
                "std": UNIT_STD if style == "caffe" else RGB_STD,
                "antialias": False,
                "truncate": False,
            },
        },
        _two_stage(post_nms_top_k=(1000, 1000), rpn_beta=0.0, box_beta=0.0),
        # Its floor(log2(side / 56 + 1e-6)) counts from level 2.
        _pooling(samples=0, aligned=True, level_epsilon=0.0, ratio_epsilon=0.25e-6),
    )


def panet(*, normed=True):
    """The PANet authors' release, on Detectron's conventions: boxes name the last pixel that they hold.

    Args:
        normed: bool, whether the neck has group norms; without them the release has no ReLU in the bottom-up path.
            Defaults to True.

    Returns:
        dict of dicts for `set_conventions`.
    """
    return _merged(
        {
            "anchor_generator": {"offset": 0.5, "rounding": "stride", "stride": "level"},
            "path": {"refined": True, "activation": "relu" if normed else None},
            "mask_head": {"fully_connected_relu": True, "fully_connected_fusion": "sum"},
            "model": {"whole_pixels": "inclusive"},
            "backbone": {"stride_in": "1x1", "epsilon": 0.0},  # its affine layers hold no statistics
            "preprocessing": {
                "canvases": ((1024, 1408), (1408, 1024)),
                "short_side": 1000,
                "long_side": 1400,
                "mean": (122.7717, 115.9465, 102.9801),
                "std": UNIT_STD,
                "antialias": False,
                "truncate": False,
            },
        },
        _two_stage(post_nms_top_k=(2000, 1000), rpn_beta=1 / 9, box_beta=1 / 3),
        _pooling(samples=2, aligned=False, inclusive=True, level_epsilon=0.0, ratio_epsilon=1e-6),
    )


def keras_applications(*, resnet):
    """The classifiers of `keras.applications`, as backbones.

    Args:
        resnet: bool, ResNet (version 1) or MobileNetV2.

    Returns:
        dict of dicts for `set_conventions`.
    """
    if resnet:
        mean = (123.68, 116.779, 103.939)
        return {
            "backbone": {"stride_in": "1x1", "epsilon": 1.001e-5},
            "preprocessing": {"mean": mean, "std": UNIT_STD},
        }
    half = (127.5, 127.5, 127.5)
    return {"backbone": {"epsilon": 1e-3, "padding": "end"}, "preprocessing": {"mean": half, "std": half}}


def _two_stage(*, post_nms_top_k, rpn_beta, box_beta):
    return {
        "anchor_sampler": {"positive_iou": 0.7, "negative_iou": 0.3, "force_matches": True, "crowd_overlap": None},
        "proposal_selector": {
            "pre_nms_top_k": (2000, 1000),
            "post_nms_top_k": post_nms_top_k,
            "iou_threshold": 0.7,
            "min_size": 0.0,
        },
        "roi_sampler": {
            "positive_iou": 0.5,
            "append_boxes": True,
            "box_weights": BOX_WEIGHTS,
            "crowd_overlap": None,
        },
        "detection_selector": {
            "score_threshold": 0.05,
            "iou_threshold": 0.5,
            "box_weights": BOX_WEIGHTS,
            "min_size": 0.0,
        },
        "model": {"rpn_beta": rpn_beta, "box_beta": box_beta},
    }


def _dense():
    return {
        "target_assigner": {"positive_iou": 0.5, "negative_iou": 0.4, "force_matches": True, "crowd_overlap": None},
        "detection_selector": {"score_threshold": 0.05, "pre_nms_top_k": 1000, "iou_threshold": 0.5},
    }


def _pooling(*, samples, aligned, level_epsilon, inclusive=False, ratio_epsilon=0.0):
    values = {
        "samples": samples,
        "aligned": aligned,
        "inclusive": inclusive,
        "canonical_size": 224,
        "canonical_level": 4,
        "level_epsilon": level_epsilon,
        "ratio_epsilon": ratio_epsilon,
        "operator": "align",
        "pooling": "average",
    }
    return {part: values for part in POOLINGS}


def _merged(*tables):
    merged = {}
    for table in tables:
        for part, values in table.items():
            merged[part] = merged.get(part, {}) | values
    return merged


def set_conventions(model, settings):
    """Sets a source's conventions on a built model; parts and choices that it does not have are passed over.

    Compiled `fit`, `evaluate` and `predict` functions are made anew. Predictors and exports made before keep the old
    ones. A preprocessing that the model carries keeps its sizes and gets the source's mean and std.

    Args:
        model: built detector, or a backbone alone.
        settings: dict from parts (as `key_maps.Rule.part`, `"model"` or `"preprocessing"`) to dicts from attributes to
            values, as `detectron2()` gives.

    Returns:
        Tuple of (name, value, value before), for each convention that the model has.

    Raises:
        ValueError: if a backbone cannot move its strides.

    Example:
        >>> set_conventions(model, mmdetection(style="caffe"))[0]
        ('anchor_generator.offset', 0.0, 0.5)
    """
    done = []
    for part, values in settings.items():
        if part == "preprocessing":
            done += _set_preprocessing(model, values)
        elif part == "backbone":
            done += _set_backbone(find_part(model, part), values)
        else:
            owner = model if part == "model" else find_part(model, part)
            for name, value in values.items():
                if hasattr(owner, name):
                    done.append((name if part == "model" else f"{part}.{name}", value, getattr(owner, name)))
                    setattr(owner, name, value)
    for function in ("train_function", "test_function", "predict_function"):
        if hasattr(model, function):
            setattr(model, function, None)
    return tuple(done)


def _set_preprocessing(model, values):
    if not hasattr(model, "preprocessing"):
        return []
    old = model.preprocessing
    if old is None:
        before = {}
        model.preprocessing = keras.saving.get_registered_object("panet_tf>Preprocessing")(**values)
    else:
        before = old.get_config()
        values = {name: values[name] for name in ("mean", "std")}
        model.preprocessing = type(old).from_config(before | values)
    return [(f"preprocessing.{name}", value, before.get(name)) for name, value in values.items()]


def _set_backbone(backbone, values):
    done = []
    norms = [layer for layer in backbone._flatten_layers() if hasattr(layer, "moving_variance")]
    if "epsilon" in values and norms:
        done.append(("backbone.epsilon", values["epsilon"], norms[0].epsilon))
        for layer in norms:
            layer.epsilon = values["epsilon"]
    if "stride_in" in values and isinstance(backbone, keras.Model):
        before = _move_strides(backbone, values["stride_in"])
        done += [] if before is None else [("backbone.stride_in", values["stride_in"], before)]
    if "padding" in values and isinstance(backbone, keras.Model):
        place = values["padding"]
        done += [("backbone.padding", place, before) for before in _move_padding(backbone, place)]
    return done


def _move_padding(backbone, place):
    """Lets convolutions that stride over maps of even sides pad on both sides, or at the end as TensorFlow's "same"."""
    before = []
    for layer in backbone.layers:
        if isinstance(layer, keras.layers.ZeroPadding2D):
            (top, bottom), _ = layer.padding
            before.append("both" if top == bottom else "end")
            half = (top + bottom + 1) // 2
            layer.padding = ((half if place == "both" else half - 1, half),) * 2
    return before[:1]


def _move_strides(backbone, place):
    """Lets the bottlenecks that begin a stage stride in their 1x1 or 3x3 convolution; where they did, or `None`."""
    layers = {layer.name: layer for layer in backbone.layers}
    before = None
    for stage in (2, 3, 4):
        first, second, third = (layers.get(f"layer{stage}_0_conv{i}") for i in (1, 2, 3))
        if third is None:
            continue
        stride = tuple(a * b for a, b in zip(first.strides, second.strides))
        before = "1x1" if max(first.strides) > 1 else "3x3"
        padded = second.name + "_pad" in layers or not isinstance(second, keras.layers.Conv2D)
        if place != before and not padded:
            raise ValueError(
                f"The weights want strides in the {place} convolutions of bottlenecks, {backbone.name} was built with "
                f'them in the {before} ones and no padding of its own. Build it with stride_in="{place}".'
            )
        first.strides, second.strides = (stride, (1, 1)) if place == "1x1" else ((1, 1), stride)
    return before
