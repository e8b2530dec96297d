"""Mask R-CNN with a scale aware pyramid and an effective joint head."""

import gin

from panet_tf.heads.boundary_refinement import BoundaryRefinement
from panet_tf.heads.refined_pooling import RefinedPooling
from panet_tf.layers.roi_pooling import FPNLevelPooling
from panet_tf.models.mask_rcnn import mask_rcnn
from panet_tf.necks.sa_fpn import SAFPN


@gin.register(module="panet_tf")
def sa_ej_rcnn(
    *,
    categories,
    filters=256,
    norm=None,
    necks=None,
    interleaving="repool",
    enriched=True,
    refinement_convs=2,
    refinement_shortcut=True,
    unified=None,
    box_pooling=None,
    mask_pooling=None,
    shared_head=None,
    **kwargs,
):
    """SA-FPN + EJ-Head (section 3): both pyramids, and one path of features to boxes and masks.

    Regions are pooled to 14 x 14 once, refined by convolutions, and both heads start from there; masks are trained on
    the boxes that the box head predicts. Parts can be turned off, which gives the rows of Tables 4 and 5; those keep
    two branches, each with its own pooling and refinement.

    Args:
        categories: sequence of dicts with `"id"` and `"name"`.
        filters: int, channels of the pyramid. Defaults to 256.
        norm: norm of the default neck and heads. Defaults to `None`.
        necks: layers over levels. Defaults to one `SAFPN`.
        interleaving: `"repool"`, `"reuse"` or `None`, as in `RCNN`. The paper does not say whether predicted boxes are
            pooled anew; its Figure 1 draws one pooling. Defaults to `"repool"`, which every head at inference does.
        enriched: bool, 14 x 14 features for boxes in place of 7 x 7. Defaults to True.
        refinement_convs: int, convolutions of the boundary refinement; 0 is none. Defaults to 2.
        refinement_shortcut: bool. Defaults to True.
        unified: bool, one path for boxes and masks. Defaults to `None`: where interleaving, enriched features and
            refinement come together.
        box_pooling, mask_pooling, shared_head: parts in place of those above, as in `RCNN`.
        **kwargs: of `mask_rcnn`.

    Returns:
        `RCNN`, built.

    Raises:
        ValueError: for a unified path of 7 x 7 features: masks have 14 x 14.

    Example:
        >>> model = sa_ej_rcnn(categories=[{"id": 1, "name": "cell"}], interleaving="reuse")
    """
    if unified is None:
        unified = bool(interleaving) and enriched and refinement_convs > 0
    if unified and not enriched:
        raise ValueError("a unified path has enriched features, 14 x 14 as masks need, received enriched=False.")

    def refined(pooling):
        refinement = BoundaryRefinement(num_convs=refinement_convs, shortcut=refinement_shortcut, norm=norm)
        return RefinedPooling(pooling=pooling, refinement=refinement)

    box_pooling = box_pooling or FPNLevelPooling(output_size=14 if enriched else 7)
    if unified:
        shared_head = shared_head or BoundaryRefinement(
            num_convs=max(1, refinement_convs), shortcut=refinement_shortcut, norm=norm
        )
    else:
        mask_pooling = mask_pooling or FPNLevelPooling(output_size=14)
        if refinement_convs:
            box_pooling, mask_pooling = refined(box_pooling), refined(mask_pooling)
    return mask_rcnn(
        categories=categories,
        filters=filters,
        norm=norm,
        necks=necks or [SAFPN(filters=filters, norm=norm)],
        interleaving=interleaving,
        box_pooling=box_pooling,
        mask_pooling=mask_pooling,
        shared_head=shared_head,
        **kwargs,
    )
