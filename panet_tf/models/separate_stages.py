"""The two stages of a detector as models of their own, and one detector of two."""

import gin

from panet_tf.models.faster_rcnn import faster_rcnn
from panet_tf.models.rcnn import RCNN

FIRST = ("backbone", "necks", "rpn_head", "anchor_generator", "anchor_sampler")


@gin.register(module="panet_tf")
def proposer(*, categories, assemble=faster_rcnn, count=1000):
    """A region proposal network alone: what a two-stage detector has up to its proposals (the thesis, section 4.4.1).

    Its detections are its proposals, all of class 1; `ProposalRecall` judges them and
    `ProposalWriter` writes them down for `fast_rcnn`.

    Args:
        categories: sequence of dicts with `"id"` and `"name"`; boxes of all train it alike.
        assemble: function of `categories` that makes the detector whose first stage this is: `faster_rcnn`, `panet`,
            `faster_rcnn_c4` ... Defaults to `faster_rcnn`.
        count: int, proposals per image at inference. Defaults to 1000.

    Returns:
        `RCNN` without a box head.

    Raises:
        ValueError: if that detector has no first stage.

    Example:
        >>> model = proposer(categories=data.categories)
        >>> evaluate(model, data, evaluators=(ProposalRecall,))["proposals/bbox/AR1000"]
    """
    return first_stage(assemble(categories=categories), count)


def first_stage(model, count=1000):
    """The proposing part of a two-stage detector; it has the same layers, not copies.

    Args:
        model: `RCNN` with an `rpn_head`.
        count: int, proposals per image at inference. Defaults to 1000.

    Returns:
        `RCNN` whose detections are the proposals.

    Raises:
        ValueError: if the detector has no `rpn_head`.
    """
    if model.rpn_head is None:
        raise ValueError(f"a first stage needs an rpn_head, received {model.name} without one.")
    proposals = model.proposal_selector.get_config()
    proposals["post_nms_top_k"] = (proposals["post_nms_top_k"][0], count)
    return RCNN(
        **{part: getattr(model, part) for part in FIRST},
        **_of_losses(model, ("rpn_objectness_loss", "rpn_box_loss")),
        **_common(model),
        proposal_selector=type(model.proposal_selector).from_config(proposals),
        detection_selector=type(model.detection_selector)(max_detections=count),
        rpn_beta=model.rpn_beta,
    )


def second_stage(model):
    """A two-stage detector less its proposing part; it has the same layers, not copies.

    Args:
        model: `RCNN` with a box head.

    Returns:
        `RCNN` that takes `"proposals"` from its inputs.
    """
    parts = {part: getattr(model, part) for part in model.parts if part != "rpn_head"}
    losses = [name for name in model.loss_names if not name.startswith("rpn_")]
    return RCNN(**parts, **_settings(model, losses), rpn_head=None)


def joined(first, second):
    """One detector of a first and a second stage whose backbones and necks have the same weights.

    Args:
        first: `RCNN` with an `rpn_head`.
        second: `RCNN` with a box head, which was taken from a whole detector by `second_stage`.

    Returns:
        `RCNN` with the features and heads of `second` and the RPN of `first`.
    """
    parts = {part: getattr(second, part) for part in second.parts} | {"rpn_head": first.rpn_head}
    settings = _settings(second, second.loss_names) | {"rpn_beta": first.rpn_beta}
    for name in ("loss_weights", "normalizers"):
        settings[name] = {**_of_losses(first, first.loss_names)[name], **settings[name]}
    return RCNN(**parts, **settings)


def _settings(model, losses):
    """Arguments of `RCNN` that are no parts."""
    names = ("rpn_beta", "box_beta", "interleaving", "panoptic_categories")
    return {name: getattr(model, name) for name in names} | _common(model) | _of_losses(model, losses)


def _common(model):
    names = ("categories", "seed", "preprocessing", "whole_pixels")
    return {name: getattr(model, name) for name in names} | {"dtype": model.dtype_policy}


def _of_losses(model, names):
    """Weights and normalizers of some losses."""
    kinds = ("loss_weights", "normalizers")
    return {kind: {name: v for name, v in getattr(model, kind).items() if name in names} for kind in kinds}
