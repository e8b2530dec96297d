"""The one place where the name of a norm becomes a layer."""

import keras

from panet_tf.layers.frozen_batch_norm import FrozenBatchNorm
from panet_tf.layers.group_norm import GroupNorm

NORMS = (None, "frozen_bn", "batch", "sync_bn", "group")


def make_norm(norm, *, name=None, dtype=None, epsilon=1e-5, momentum=0.9, groups=32):
    """The layer that a norm's name stands for, over the last axis.

    Args:
        norm: `None` (no norm); `"frozen_bn"`, recorded statistics, scale and shift, nothing trainable; `"batch"`, batch
            norm over the replica's batch; `"sync_bn"`, over the batches of all replicas; `"group"`, group norm.
        name: str, the layer's name.
        dtype: dtype policy of the layer. Defaults to the global one.
        epsilon: float, added to the variance. Defaults to 1e-5, torch's and the papers' (Keras has 1e-3).
        momentum: float, share of the old value in moving statistics of `"batch"` and `"sync_bn"`. Defaults to 0.9,
            which is 0.1 in torch's terms (Keras has 0.99). Keras keeps the biased variance, torch the unbiased one.
        groups: int, of `"group"`. Defaults to 32; fewer where 32 does not divide the channels.

    Returns:
        A `keras.layers.Layer`, or `None` for `None`.

    Raises:
        ValueError: for any other `norm`.

    Example:
        >>> norm = make_norm("group", name="bn1")
    """
    check_norm(norm)
    if norm is None:
        return None
    if norm == "frozen_bn":
        return FrozenBatchNorm(epsilon=epsilon, name=name, dtype=dtype)
    if norm == "group":
        return GroupNorm(groups=groups, epsilon=epsilon, name=name, dtype=dtype)
    return keras.layers.BatchNormalization(
        epsilon=epsilon, momentum=momentum, synchronized=norm == "sync_bn", name=name, dtype=dtype
    )


def check_norm(norm):
    """Raises a `ValueError` unless `norm` is one of `NORMS`, so that constructors fail before anything is built."""
    if norm not in NORMS:
        raise ValueError(f"norm must be one of {NORMS}, received {norm!r}.")
