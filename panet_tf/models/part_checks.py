"""Parts that do not fit each other would give numbers all the same: they are refused when a model is put together."""


def check_parts(model):
    """Raises where parts of a two-stage detector do not fit each other or the categories.

    Args:
        model: `RCNN` with all attributes set.

    Raises:
        ValueError: with the rule and what was received.
    """
    _check_companions(model)
    for part in ("box_head", "mask_head"):
        _check_classes(part, getattr(model, part), len(model.categories))
    for number, stage in enumerate(model.box_stages, start=2):
        _check_classes(f"the box head of stage {number}", stage.box_head, len(model.categories))
    last = model.box_stages[-1] if model.box_stages else model
    for name, one, other, values in (
        ("num_anchors", "rpn_head", "anchor_generator", (model.rpn_head, model.anchor_generator)),
        ("box_weights", "the last roi_sampler", "detection_selector", (last.roi_sampler, model.detection_selector)),
    ):
        values = [getattr(part, name, None) for part in values]
        if None not in values and values[0] != values[1]:
            raise ValueError(f"{one} and {other} must have the same {name}, received {values[0]} and {values[1]}.")


def _check_companions(model):
    for kind in ("box", "mask", "keypoint"):
        pooling, head = getattr(model, f"{kind}_pooling"), getattr(model, f"{kind}_head")
        with_levels = getattr(pooling, "with_levels", False)
        if head is not None and pooling is not None and with_levels != getattr(head, "takes_levels", False):
            raise ValueError(
                f"heads with weights of their own on each level and poolings with_levels=True come together, received "
                f"with_levels={with_levels} of {kind}_pooling and {type(head).__name__}."
            )
    if getattr(model.box_pooling, "with_levels", False) and (model.shared_head is not None or model.box_stages):
        raise ValueError("separate heads of levels stand alone, received a shared_head or box_stages beside them.")
    for kind in ("mask", "keypoint"):
        pooling, head = getattr(model, f"{kind}_pooling"), getattr(model, f"{kind}_head")
        borrowed = model.shared_head is not None and pooling is None
        if (pooling is None) != (head is None) and not (borrowed and head is not None):
            raise ValueError(
                f"{kind}_pooling and {kind}_head come together, unless a shared_head makes both branches use "
                f"box_pooling; received {kind}_pooling={pooling} and {kind}_head={head}."
            )
    if (model.box_pooling is None) != (model.box_head is None):
        raise ValueError(
            f"box_pooling and box_head come together, received box_pooling={model.box_pooling} and "
            f"box_head={model.box_head}."
        )
    if model.rpn_head is None and model.box_head is None:
        raise ValueError("a detector needs an rpn_head, a box_head or both, received neither.")
    if model.interleaving not in (None, "repool", "reuse"):
        raise ValueError(f'interleaving must be None, "repool" or "reuse", received {model.interleaving!r}.')
    if model.interleaving == "reuse" and model.box_stages:
        raise ValueError("interleaving='reuse' takes the features that boxes came from, received a cascade of stages.")
    for part, needed in (
        ("interleaving", "mask_head"),
        ("box_stages", "box_head"),
        ("mask_head", "box_head"),
        ("keypoint_head", "box_head"),
        ("spatial_ranking", "semantic_head"),
        ("spatial_ranking", "panoptic_merger"),
        ("spatial_ranking", "mask_head"),
        ("panoptic_merger", "semantic_head"),
        ("panoptic_merger", "mask_head"),
        ("semantic_head", "panoptic_categories"),
        ("semantic_backbone", "semantic_head"),
        ("semantic_necks", "semantic_head"),
    ):
        if getattr(model, part) not in (None, []) and getattr(model, needed) is None:
            raise ValueError(f"{part} needs a {needed}, received {part}={getattr(model, part)} without one.")


def _check_classes(part, head, wanted):
    number = getattr(head, "num_classes", wanted)
    if number != wanted:
        raise ValueError(f"{part} must have as many classes as there are categories, received {number} and {wanted}.")
