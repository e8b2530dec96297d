"""Dividing sums of losses by counts that all replicas share."""

import tensorflow as tf


def divide_by_global_count(total, count):
    """Divides this replica's sum of losses by the count of all replicas.

    Gradients are summed over replicas, so N replicas that each divide by the common count equal one device that holds
    the whole batch, however unevenly the counted things are spread. Counts carry no gradient. A count of zero gives
    zero.

    Args:
        total: float scalar, the sum of a loss on this replica.
        count: number or scalar, how many things were summed on this replica.

    Returns:
        float32 scalar, this replica's share: the shares of all replicas add up to the mean.

    Example:
        >>> divide_by_global_count(tf.constant(6.0), 3)  # on one device
        <tf.Tensor: shape=(), dtype=float32, numpy=2.0>
    """
    return tf.cast(total, tf.float32) / tf.maximum(global_count(count), 1.0)


def global_count(count):
    """Sum of the replicas' counts, the same on each of them, without gradient.

    Args:
        count: number or scalar, of this replica.

    Returns:
        float32 scalar.
    """
    count = tf.stop_gradient(tf.cast(count, tf.float32))
    if num_replicas() > 1:
        count = tf.distribute.get_replica_context().all_reduce(tf.distribute.ReduceOp.SUM, count)
    return count


def num_replicas():
    """Number of replicas that run this computation in step: 1 outside a strategy and in its cross-replica context."""
    context = tf.distribute.get_replica_context()
    return context.num_replicas_in_sync if context is not None else 1
