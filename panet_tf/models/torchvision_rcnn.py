"""Faster, Mask and Keypoint R-CNN that compute what torchvision's do, for its weights."""

import gin

from panet_tf.backbones.resnet import resnet
from panet_tf.heads.keypoint import KeypointHead
from panet_tf.layers.roi_pooling import FPNLevelPooling
from panet_tf.models.anchor_generator import AnchorGenerator
from panet_tf.models.anchor_sampler import AnchorSampler
from panet_tf.models.detection_selector import DetectionSelector
from panet_tf.models.faster_rcnn import faster_rcnn
from panet_tf.models.mask_rcnn import mask_rcnn
from panet_tf.models.proposal_selector import ProposalSelector
from panet_tf.models.roi_sampler import RoISampler
from panet_tf.weights.loading import load


@gin.register(module="panet_tf")
def torchvision_rcnn(*, categories, masks=None, keypoints=False, epsilon=0.0, weights=None, **kwargs):
    """torchvision's `maskrcnn_`, `fasterrcnn_` or `keypointrcnn_resnet50_fpn`, first version, by its conventions.

    They are: anchors on the corners of cells, with rounded sides and the padded side // the level's side between them;
    a coarsest level subsampled from P5; RoIAlign without the half pixel, 2 x 2 samples a cell; boxes under 0.001
    (proposals) and 0.01 (detections) pixels dropped; both smooth L1 losses turning at 1/9; crowds not looked at in
    training. Inputs are RGB, minus (123.675, 116.28, 103.53), over (58.395, 57.12, 57.375), the short side 800 unless
    the long one then exceeds 1333. It pastes masks by the rule of `paste_masks_numpy(..., whole_pixels=True)`.

    Args:
        categories: sequence of dicts with `"id"` and `"name"`. The published weights have 90: COCO's ids 1 to 90,
            unused ones included; those with keypoints have one, the person.
        masks: bool, Mask R-CNN or Faster R-CNN. Defaults to True without `keypoints`, to False with them.
        keypoints: bool, whether it is Keypoint R-CNN: as many as the categories list, or COCO's 17. Their scores are
            logits, and predictions hold the maps for the exact reading (see `KeypointHead`). Defaults to False.
        epsilon: float, of the backbone's batch norms: 0 for the published COCO weights, 1e-5 for a model that
            torchvision built without `weights`. Defaults to 0.
        weights: file or dict of arrays for `panet_tf.weights.load`. Defaults to `None`, fresh weights.
        **kwargs: of `faster_rcnn` or `mask_rcnn`, in place of these.

    Returns:
        `RCNN`, built.

    Example:
        >>> categories = [{"id": i, "name": f"category {i}"} for i in range(1, 91)]
        >>> model = torchvision_rcnn(categories=categories, weights="maskrcnn_resnet50_fpn_coco-bf2d0c1e.pth")

    Source: torchvision, `models/detection/faster_rcnn.py`, `mask_rcnn.py`,
    `keypoint_rcnn.py`, `rpn.py`, `roi_heads.py`.
    """
    parts = {
        "anchor_generator": AnchorGenerator(offset=0.0, rounding=True, stride="ratio"),
        "box_pooling": FPNLevelPooling(output_size=7, samples=2, aligned=False),
        "anchor_sampler": AnchorSampler(crowd_overlap=None),
        "proposal_selector": ProposalSelector(
            pre_nms_top_k=(2000, 1000), post_nms_top_k=(2000, 1000), iou_threshold=0.7, min_size=1e-3
        ),
        "roi_sampler": RoISampler(crowd_overlap=None),
        "detection_selector": DetectionSelector(
            score_threshold=0.05, iou_threshold=0.5, max_detections=100, min_size=1e-2
        ),
        "whole_pixels": True,
        "rpn_beta": 1 / 9,
        "box_beta": 1 / 9,
    }
    if keypoints:
        number = max(len(category.get("keypoints") or ()) for category in categories) or 17
        parts["keypoint_pooling"] = FPNLevelPooling(output_size=14, samples=2, aligned=False)
        if kwargs.get("keypoint_head") is None:
            kwargs["keypoint_head"] = KeypointHead(num_keypoints=number, score="logit", keep_logits=True)
    if masks is None:
        masks = not keypoints
    if masks:
        parts["mask_pooling"] = FPNLevelPooling(output_size=14, samples=2, aligned=False)
    if kwargs.get("backbone") is None:
        kwargs["backbone"] = resnet(50, norm="frozen_bn", epsilon=epsilon)
    model = (mask_rcnn if masks else faster_rcnn)(categories=categories, **(parts | kwargs))
    if weights is not None:
        load(model, weights)
    return model
