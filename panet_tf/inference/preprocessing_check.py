"""A word where images are shown otherwise than a model learned them."""

import logging

SETTINGS = ("short_side", "long_side", "mean", "std")


def warn_of_other_preprocessing(model, data):
    """Warns where data resize or normalise images otherwise than those that a model was trained with.

    Other sizes may be meant; more often the gin file of the data is not that of the training, and the numbers are then
    those of another experiment. Canvases are left out: several sets of them show images alike.

    Args:
        model: anything; one without `preprocessing` is not checked.
        data: `DetectionData`; an object without `preprocessing` is not checked.

    Example:
        >>> warn_of_other_preprocessing(load_model("runs/sharp_mask"), eval_data)
    """
    ours, theirs = (getattr(owner, "preprocessing", None) for owner in (model, data))
    other = other_settings(ours, theirs)
    if not other:
        return
    logging.getLogger(__name__).warning(
        "The data have %s, the model was trained with %s: its numbers are those of other images. The gin file of its "
        "training says what it wants.",
        *(", ".join(f"{name} {getattr(owner, name, None)}" for name in other) for owner in (theirs, ours)),
    )


def other_settings(ours, theirs):
    """Names of the settings by which two ways to show images differ, canvases apart.

    Args:
        ours, theirs: `Preprocessing`, or `None`, which differs from nothing.

    Returns:
        list of str.
    """
    if ours is None or theirs is None:
        return []
    return [name for name in SETTINGS if getattr(ours, name, None) != getattr(theirs, name, None)]
