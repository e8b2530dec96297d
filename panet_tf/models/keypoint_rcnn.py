"""Mask R-CNN for human pose, from its parts."""

import gin

from panet_tf.heads.keypoint import KeypointHead
from panet_tf.layers.roi_pooling import FPNLevelPooling
from panet_tf.models.faster_rcnn import faster_rcnn
from panet_tf.models.mask_rcnn import mask_rcnn
from panet_tf.models.proposal_selector import ProposalSelector


@gin.register(module="panet_tf")
def keypoint_rcnn(
    *,
    categories,
    masks=False,
    filters=256,
    norm=None,
    keypoint_pooling=None,
    keypoint_head=None,
    proposal_selector=None,
    box_beta=0.5,
    **kwargs,
):
    """Boxes and keypoints, with `masks` those too (Mask R-CNN, section 5): persons and their joints, as a rule.

    With the defaults of detectron2's keypoint models where they differ from its others: 1500 proposals in training, a
    smooth L1 loss of boxes that turns at 0.5.

    Args:
        categories: sequence of dicts with `"id"`, `"name"` and, unless a head is given, the names of `"keypoints"`, of
            which the category with the most sets their number. One map serves every category: those with fewer use
            the first.
        masks: bool, whether masks are predicted beside (Table 5). Defaults to False.
        filters, norm, **kwargs: as in `faster_rcnn`, or in `mask_rcnn` with `masks`. The keypoint head has 512
            channels whatever `filters` says.
        keypoint_pooling: layer from levels and regions to features. Defaults to one level per region, 14 x 14.
        keypoint_head: part, or its class (any function of `num_keypoints`). Defaults to eight convolutions and a
            deconvolution.
        proposal_selector: part. Defaults to 2000 proposals a level before suppression and 1500 after it in training,
            1000 in evaluation.
        box_beta: where the smooth L1 loss of boxes turns linear. Defaults to 0.5.

    Returns:
        `RCNN`, built.

    Raises:
        ValueError: if no category has keypoints and no head is given.

    Example:
        >>> person = {"id": 1, "name": "person", "keypoints": ["head", "left_hand", "right_hand"]}
        >>> model = keypoint_rcnn(categories=[person])
    """
    return (mask_rcnn if masks else faster_rcnn)(
        categories=categories,
        filters=filters,
        norm=norm,
        keypoint_pooling=keypoint_pooling or FPNLevelPooling(output_size=14),
        keypoint_head=_head(categories, keypoint_head, norm),
        proposal_selector=proposal_selector
        or ProposalSelector(pre_nms_top_k=(2000, 1000), post_nms_top_k=(1500, 1000)),
        box_beta=box_beta,
        **kwargs,
    )


def _head(categories, head, norm):
    """The head itself, or what is made for as many keypoints as the categories have."""
    if head is not None and hasattr(head, "num_keypoints") and not isinstance(head, type):
        return head
    number = max(len(category.get("keypoints") or ()) for category in categories)
    if not number:
        names = [category.get("name") for category in categories]
        raise ValueError(
            "a category must list its 'keypoints' or keypoint_head must be given with their number, received "
            f"categories {names!r:.200} without keypoints."
        )
    return KeypointHead(num_keypoints=number, norm=norm) if head is None else head(num_keypoints=number)
