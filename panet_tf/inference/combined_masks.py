"""Several predictions of one mask as one."""

import numpy as np

from panet_tf.inference.common_side import common_side

COMBINATIONS = ("average", "max", "logit_average")


def combined_masks(stack, how):
    """Masks of the same boxes in several views as one (Detectron, `core/test.py`, `MASK_AUG.HEUR`).

    Args:
        stack: V arrays (n, m, m), probabilities; each model of an ensemble may have its own m, of which the largest is
            taken (`common_side`).
        how: `"average"`; `"max"`; or `"logit_average"`, the mean of the logits.

    Returns:
        float32 (n, m, m).

    Raises:
        ValueError: for another `how`.

    Example:
        >>> combined_masks([masks_of_a_view, masks_of_its_mirror], "average")
    """
    if how not in COMBINATIONS:
        raise ValueError(f"how must be one of {COMBINATIONS}, received {how!r}.")
    stack = common_side(stack)
    if how == "max":
        return stack.max(axis=0)
    if how == "average":
        return stack.mean(axis=0)
    clipped = np.clip(stack, 1e-7, 1 - 1e-7)
    return 1 / (1 + np.exp(-np.mean(np.log(clipped) - np.log1p(-clipped), axis=0)))
