"""The losses of a dense detector that are compared, as gin bindings."""


def loss_variant(form, *, alpha=None, gamma=2.0, beta=1.0, mining=False, negatives_per_positive=None):
    """Bindings of all that tells the losses apart, so that nothing is left of the one that a gin file has.

    What is no choice between losses (`min_probability`, `candidates`, `normalizers`) stays the files'.

    Args:
        form: of `ClassLoss`, as `gamma`, `alpha` and `beta` are, whose defaults are those of the forms that use them
            and `None`, all weighed alike.
        mining: bool, train on the 128 hardest examples of an image that overlap by no more than a half, the best
            setting of Table 5.1d, in place of all. Defaults to False.
        negatives_per_positive: of `HardExampleSelector`. Defaults to `None`.

    Returns:
        tuple of str.

    Example:
        >>> parse_gin(["papers/lin_thesis/table5_1c/gamma_2.gin"], loss_variant("cross_entropy", alpha=0.75))
    """
    bindings = {
        "retinanet.class_loss": "@ClassLoss()",
        "retinanet.example_selector": "@HardExampleSelector()" if mining else None,
        "ClassLoss.form": f'"{form}"',
        "ClassLoss.gamma": gamma,
        "ClassLoss.alpha": alpha,
        "ClassLoss.beta": beta,
    }
    if mining:  # unused bindings would be warned of
        bindings |= {
            "HardExampleSelector.count": 128,
            "HardExampleSelector.iou_threshold": 0.5,
            "HardExampleSelector.negatives_per_positive": negatives_per_positive,
            "HardExampleSelector.fill": True,
        }
    return tuple(f"{name} = {value}" for name, value in bindings.items())


LOSS_VARIANTS = {
    "focal": loss_variant("focal", alpha=0.25),
    "balanced": loss_variant("cross_entropy", alpha=0.75),
    "ohem": loss_variant("cross_entropy", mining=True),
    "ohem_1to3": loss_variant("cross_entropy", mining=True, negatives_per_positive=3),
    "cross_entropy": loss_variant("cross_entropy"),
    "focal_star": loss_variant("focal_star", alpha=0.25),  # at the focal loss's settings
}
