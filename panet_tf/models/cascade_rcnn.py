"""Cascade R-CNN: any two-stage detector of this package with further stages of box heads."""

import functools

import gin

from panet_tf.heads.box import BoxHead
from panet_tf.models.cascade_stage import CascadeStage
from panet_tf.models.detection_selector import DetectionSelector
from panet_tf.models.faster_rcnn import head_for
from panet_tf.models.mask_rcnn import mask_rcnn
from panet_tf.models.proposal_selector import ProposalSelector
from panet_tf.models.roi_sampler import RoISampler


@gin.register(module="panet_tf")
def cascade_rcnn(
    *,
    categories,
    assemble=mask_rcnn,
    positive_ious=(0.5, 0.6, 0.7),
    box_weights=((10.0, 10.0, 5.0, 5.0), (20.0, 20.0, 10.0, 10.0), (30.0, 30.0, 15.0, 15.0)),
    box_head=None,
    count=512,
    positive_fraction=0.25,
    detection_selector=None,
    norm=None,
    **kwargs,
):
    """Cascade R-CNN (Cai and Vasconcelos, 2018): box heads in a row, each trained on the boxes of the one before.

    The settings are detectron2's: one box for all classes, IoU thresholds 0.5, 0.6, 0.7, the regions of the first
    stage kept in the later ones and labelled anew, each stage passing a third of its gradient to the features, scores
    averaged over stages, and one mask head, trained on the first stage's regions and run on the final boxes.

    Args:
        categories: sequence of dicts with `"id"` and `"name"`.
        assemble: function that puts the rest together: `faster_rcnn`, `mask_rcnn`, `keypoint_rcnn`, `panet`,
            `sa_ej_rcnn` or `oanet`. Defaults to `mask_rcnn`, which gives Cascade Mask R-CNN.
        positive_ious: IoU from which a region is positive, one a stage. Defaults to (0.5, 0.6, 0.7).
        box_weights: factors of the four box targets, one quadruple a stage.
        box_head: class of the heads, or any function of `num_classes` and `name`; called once a stage. Defaults to
            two fully-connected layers of 1024 with one box for all classes.
        count: int, regions sampled an image. Defaults to 512.
        positive_fraction: largest share of positives in the first stage's sample. Defaults to 0.25.
        detection_selector: as in `RCNN`; its `box_weights` are those of the last stage.
        norm: norm of the default parts, as in `assemble`. Defaults to `None`.
        **kwargs: of `assemble`.

    Returns:
        `RCNN`, built.

    Raises:
        ValueError: unless there are as many thresholds as quadruples, or for an own `roi_sampler` (there is one a
            stage).

    Example:
        >>> model = cascade_rcnn(categories=[{"id": 1, "name": "cell"}], assemble=faster_rcnn)
    """
    if len(positive_ious) != len(box_weights) or not positive_ious:
        raise ValueError(
            f"positive_ious and box_weights have one entry a stage, received {positive_ious} and {box_weights}."
        )
    if {"roi_sampler", "box_stages"} & set(kwargs):
        raise ValueError(
            "a cascade makes its stages of positive_ious and box_weights, received a roi_sampler or stages."
        )
    make = box_head or functools.partial(BoxHead, class_agnostic=True, norm=norm)
    heads = [head_for(categories, functools.partial(make, name=f"box_head{n}")) for n in range(1, 1 + len(box_weights))]
    stages = [
        CascadeStage(
            box_head=head,
            roi_sampler=RoISampler(
                count=count, positive_fraction=1.0, positive_iou=iou, append_boxes=False, box_weights=weights
            ),
        )
        for head, iou, weights in zip(heads[1:], positive_ious[1:], box_weights[1:])
    ]
    kwargs.setdefault("proposal_selector", ProposalSelector(post_nms_top_k=(2000, 1000)))
    return assemble(
        categories=categories,
        box_head=heads[0],
        box_stages=stages,
        roi_sampler=RoISampler(
            count=count,
            positive_fraction=positive_fraction,
            positive_iou=positive_ious[0],
            box_weights=box_weights[0],
        ),
        detection_selector=detection_selector or DetectionSelector(box_weights=box_weights[-1]),
        norm=norm,
        **kwargs,
    )
