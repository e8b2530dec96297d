"""Detectors of a few thousand weights and batches of drawn rectangles: small enough to train in a test."""

import keras
import numpy as np

from panet_tf.heads.box import BoxHead
from panet_tf.heads.dense import DenseHead
from panet_tf.heads.mask import MaskHead
from panet_tf.heads.rpn import RPNHead
from panet_tf.models.anchor_generator import AnchorGenerator
from panet_tf.models.anchor_sampler import AnchorSampler
from panet_tf.models.dense_detection_selector import DenseDetectionSelector
from panet_tf.models.detection_selector import DetectionSelector
from panet_tf.models.panet import panet
from panet_tf.models.proposal_selector import ProposalSelector
from panet_tf.models.retinanet import retinanet
from panet_tf.models.roi_sampler import RoISampler

CATEGORIES = ({"id": 7, "name": "left"}, {"id": 3, "name": "right"})


def tiny_backbone(filters=8):
    """A functional model with levels C2..C5 of 8 channels each, one strided convolution a level."""
    images = keras.Input((None, None, 3))
    x = keras.layers.Conv2D(filters, 4, strides=4, activation="relu", name="stem")(images)
    levels = {"C2": x}
    for level in (3, 4, 5):
        x = keras.layers.Conv2D(filters, 2, strides=2, activation="relu", name=f"stage{level}")(x)
        levels[f"C{level}"] = x
    return keras.Model(images, levels, name="tiny_backbone")


def tiny_panet(*, filters=8, norm=None, max_detections=6, build=panet, **kwargs):
    """PANet (or what `build` assembles) with 8 channels, 16 regions an image and 6 detections."""
    if build is panet:
        kwargs.setdefault(
            "mask_head",
            MaskHead(num_classes=2, num_convs=4, filters=filters, norm=norm, fully_connected="conv3"),
        )
    return build(
        categories=CATEGORIES,
        backbone=kwargs.pop("backbone", None) or tiny_backbone(),
        filters=filters,
        norm=norm,
        rpn_head=RPNHead(num_anchors=3, filters=filters),
        box_head=kwargs.pop("box_head", None)
        or BoxHead(num_classes=2, num_convs=1, num_fcs=1, filters=filters, units=16, norm=norm),
        anchor_generator=AnchorGenerator(sizes=(8, 16, 24, 32, 48)),
        anchor_sampler=AnchorSampler(count=32),
        proposal_selector=ProposalSelector(pre_nms_top_k=(32, 16), post_nms_top_k=(16, 8)),
        roi_sampler=RoISampler(count=16),
        detection_selector=DetectionSelector(score_threshold=0.0, max_detections=max_detections),
        **kwargs,
    )


def tiny_retinanet(**kwargs):
    """RetinaNet of 8 channels, one convolution a subnet and 6 detections."""
    parts = {
        "backbone": tiny_backbone(),
        "filters": 8,
        "head": DenseHead(num_classes=2, num_anchors=4, filters=8, num_convs=1, norm=kwargs.get("norm")),
        "anchor_generator": AnchorGenerator(sizes=(12, 24, 48, 64, 96), ratios=(0.7, 1.4), scales_per_octave=2),
        "detection_selector": DenseDetectionSelector(score_threshold=0.0, pre_nms_top_k=20, max_detections=6),
    }
    return retinanet(categories=CATEGORIES, **(parts | kwargs))


def batch_of_boxes(batch=2, height=64, width=96, slots=4, seed=0, empty=()):
    """Inputs and targets: each image holds two bright rectangles; images listed in `empty` hold none."""
    rng = np.random.default_rng(seed)
    images = 0.1 * rng.standard_normal((batch, height, width, 3)).astype("float32")
    boxes = np.zeros((batch, slots, 4), "float32")
    classes = np.zeros((batch, slots), "int32")
    for i in range(batch):
        if i in empty:
            continue
        for j in range(2):
            top, left = rng.integers(2, height - 34), rng.integers(2, width // 2 - 24) + j * width // 2
            tall, wide = rng.integers(14, 30), rng.integers(14, 22)
            boxes[i, j] = top, left, top + tall, left + wide
            classes[i, j] = 1 + j
            images[i, top : top + tall, left : left + wide, j] += 2.0
    return {
        "images": images,
        "image_sizes": np.tile(np.float32([height, width]), (batch, 1)),
        "original_sizes": np.tile(np.float32([height / 2, width / 2]), (batch, 1)),
        "scales": np.full((batch, 2), 2.0, "float32"),
        "offsets": np.zeros((batch, 2), "float32"),
        "image_ids": np.arange(batch, dtype="int64"),
        "boxes": boxes,
        "classes": classes,
        "is_crowd": np.zeros((batch, slots), bool),
        "masks": np.ones((batch, slots, 112, 112), "uint8"),
    }
