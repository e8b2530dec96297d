"""OANet and Panoptic FPN from their parts."""

import gin

from panet_tf.heads.panoptic_fpn import PanopticFPNHead
from panet_tf.heads.spatial_ranking import SpatialRanking
from panet_tf.heads.stuff import StuffHead
from panet_tf.models.faster_rcnn import head_for
from panet_tf.models.mask_rcnn import mask_rcnn
from panet_tf.models.panoptic_merger import PanopticMerger
from panet_tf.necks.fpn import FPN
from panet_tf.ops.semantic_classes import semantic_classes, thing_categories

SHARING = ("none", "backbone", "backbone_and_skip")


@gin.register(module="panet_tf")
def oanet(
    *,
    categories,
    panoptic_categories=None,
    instance_model=mask_rcnn,
    filters=256,
    context="all",
    sharing="backbone_and_skip",
    semantic_head=None,
    semantic_backbone=None,
    semantic_weight=0.25,
    spatial_ranking=SpatialRanking,
    panoptic_merger=None,
    loss_weights=None,
    **kwargs,
):
    """OANet (section 3): instances and stuff in one network, with the order of instances learned.

    Each of the paper's choices is an argument, with the paper's value as its default.

    Args:
        categories: sequence of dicts with `"id"`, `"name"` and `"isthing"`, things and stuff. The model's `categories`
            are the things among them, all are its `panoptic_categories`.
        panoptic_categories: the same list, where `categories` are the things alone, as data sets give both. Defaults to
            `categories`.
        instance_model: function that assembles the rest, `mask_rcnn` (the paper's) or `panet`. Defaults to `mask_rcnn`.
        filters: int, channels of the pyramid; the semantic head has half as many on each level. Defaults to 256.
        context: object context of the semantic head, `"all"`, `"stuff_ignore"` or `"stuff_plus_thing"` (Table 2).
            Targets of the data have to be numbered alike, `DetectionData(semantic_context=...)`: `train` compares the
            two, `fit` cannot, and the loss ignores what is no class of the head. Defaults to `"all"`.
        sharing: what the semantic head shares with the detector (Table 4): `"none"`, it has a backbone and a pyramid of
            its own; `"backbone"`, a pyramid of its own; `"backbone_and_skip"`, all. Defaults to `"backbone_and_skip"`.
        semantic_head: part, or function of `num_classes` that makes it. Defaults to a `StuffHead`.
        semantic_backbone: model from images to `"C2"`.. `"C5"`, for `sharing="none"` only.
        semantic_weight: the paper's lambda (Table 1). Defaults to 0.25.
        spatial_ranking: part, or function of `num_classes` that makes it, or `None`: instances are laid down by their
            detection scores (Table 3's baseline). Defaults to `SpatialRanking`.
        panoptic_merger: `PanopticMerger` of the same context. Defaults to one with the paper's settings.
        loss_weights: dict from losses to factors, on top of the semantic one.
        **kwargs: of `instance_model`.

    Returns:
        `RCNN`, built.

    Raises:
        ValueError: for an unknown option, a semantic backbone that is missing or out of place, or no class to predict.

    Example:
        >>> model = oanet(categories=data.panoptic_categories)
    """
    categories = tuple(panoptic_categories or categories)
    if sharing not in SHARING:
        raise ValueError(f"sharing must be one of {SHARING}, received {sharing!r}.")
    if (sharing == "none") != (semantic_backbone is not None):
        raise ValueError(
            f'sharing="none" and a semantic_backbone come together, received sharing={sharing!r} and '
            f"semantic_backbone={semantic_backbone}."
        )
    things, numbers = thing_categories(categories), semantic_classes(categories, context)
    if not things or not numbers.num_classes:
        raise ValueError(
            f"categories must have things, and classes for the semantic head by context={context!r}, received "
            f"{[(category['name'], category['isthing']) for category in categories]}."
        )
    merger = panoptic_merger or PanopticMerger(context=context)
    if merger.context != context:
        raise ValueError(f"panoptic_merger must have context={context!r} too, received {merger.context!r}.")
    head = head_for(range(numbers.num_classes), semantic_head)
    return instance_model(
        categories=things,
        panoptic_categories=categories,
        filters=filters,
        semantic_head=head or StuffHead(num_classes=numbers.num_classes, filters=filters // 2, fused_filters=filters),
        semantic_backbone=semantic_backbone,
        semantic_necks=() if sharing == "backbone_and_skip" else [FPN(filters=filters, name="semantic_fpn")],
        spatial_ranking=head_for(things, spatial_ranking),
        panoptic_merger=merger,
        loss_weights={"semantic_loss": semantic_weight, **(loss_weights or {})},
        **kwargs,
    )


@gin.register(module="panet_tf")
def panoptic_fpn(
    *,
    categories,
    panoptic_categories=None,
    filters=256,
    context="stuff_plus_thing",
    semantic_head=None,
    semantic_weight=0.5,
    panoptic_merger=None,
    **kwargs,
):
    """Panoptic FPN (section 3): Mask R-CNN and a semantic head on one pyramid, instances laid down by detection scores.

    Args:
        categories, panoptic_categories, filters: as in `oanet`.
        context: defaults to `"stuff_plus_thing"`.
        semantic_head: part, or function of `num_classes`. Defaults to a `PanopticFPNHead`.
        semantic_weight: defaults to 0.5, the paper's best for a ResNet-50 (its Table 1 a).
        panoptic_merger: defaults to total areas of at least 4096 pixels, things' pixels becoming void.
        **kwargs: of `oanet`, `spatial_ranking` and `sharing` among them.

    Returns:
        `RCNN`, built.

    Example:
        >>> model = panoptic_fpn(categories=data.panoptic_categories)

    Source: Kirillov et al., "Panoptic Feature Pyramid Networks", 2019; detectron2, `panoptic_fpn.py`.
    """
    kwargs.setdefault("spatial_ranking", None)
    classes = range(semantic_classes(panoptic_categories or categories, context).num_classes)
    merger = PanopticMerger(context=context, min_stuff_area=4096, stuff_area="total", thing_classes="void")
    return oanet(
        categories=categories,
        panoptic_categories=panoptic_categories,
        filters=filters,
        context=context,
        semantic_head=head_for(classes, semantic_head)
        or PanopticFPNHead(num_classes=len(classes), filters=filters // 2),
        semantic_weight=semantic_weight,
        panoptic_merger=panoptic_merger or merger,
        **kwargs,
    )
