"""Several predictions of one mask as one."""

import numpy as np

COMBINATIONS = ("average", "max", "logit_average")


def combined_masks(stack, how):
    """Masks of the same boxes in several views as one (Detectron, `core/test.py`, `MASK_AUG.HEUR`).

    Args:
        stack: float (V, ...), probabilities.
        how: `"average"`; `"max"`; or `"logit_average"`, the mean of the logits.

    Returns:
        float32 (...).

    Raises:
        ValueError: for another `how`.
    """
    if how not in COMBINATIONS:
        raise ValueError(f"how must be one of {COMBINATIONS}, received {how!r}.")
    stack = np.asarray(stack, "float32")
    if how == "max":
        return stack.max(axis=0)
    if how == "average":
        return stack.mean(axis=0)
    clipped = np.clip(stack, 1e-7, 1 - 1e-7)
    return 1 / (1 + np.exp(-np.mean(np.log(clipped) - np.log1p(-clipped), axis=0)))
