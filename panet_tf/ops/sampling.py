"""Random subsets of anchors and proposals that depend on (seed, step, image) and on nothing else."""

import tensorflow as tf


def _mix(h):
    """The 32-bit finaliser of MurmurHash3: every input bit changes every output bit with a chance near one half."""
    h = tf.bitwise.bitwise_xor(h, tf.bitwise.right_shift(h, tf.constant(16, tf.uint32)))
    h = h * tf.constant(0x85EBCA6B, tf.uint32)
    h = tf.bitwise.bitwise_xor(h, tf.bitwise.right_shift(h, tf.constant(13, tf.uint32)))
    h = h * tf.constant(0xC2B2AE35, tf.uint32)
    return tf.bitwise.bitwise_xor(h, tf.bitwise.right_shift(h, tf.constant(16, tf.uint32)))


def _absorb(h, words):
    """One link of the chain: the state is moved off the fixed point 0, joined with `words`, and mixed."""
    return _mix(tf.bitwise.bitwise_xor(h * tf.constant(5, tf.uint32) + tf.constant(0xE6546B64, tf.uint32), _mix(words)))


def _words(values):
    """Low and high 32 bits of whole numbers, as uint32."""
    values = tf.cast(values, tf.int64)
    mask = tf.constant(0xFFFFFFFF, tf.int64)
    parts = values, tf.bitwise.right_shift(values, tf.constant(32, tf.int64))
    return [tf.cast(tf.bitwise.bitwise_and(part, mask), tf.uint32) for part in parts]


def random_uniform(seed, step, image_ids, count):
    """Uniform noise for each image, a stateless hash of (seed, step, image id, position).

    An image gets the same numbers in any batch, at any place in it, on any replica and after resuming, eagerly and
    compiled. Source: MurmurHash3's 32-bit finaliser (A. Appleby, public domain), chained over the words of the key.

    Args:
        seed: int or integer scalar tensor, the run's seed; draws for different purposes take different seeds.
        step: int or integer scalar tensor, the training step.
        image_ids: integer (B,).
        count: int, numbers for each image.

    Returns:
        float32 (B, count), multiples of 2^-24 in [0, 1).

    Example:
        >>> noise = random_uniform(seed=0, step=model.optimizer.iterations, image_ids=inputs["image_ids"], count=1000)
    """
    state = tf.zeros_like(_words(image_ids)[0])
    for value in (seed, step, image_ids):
        for word in _words(value):
            state = _absorb(state, word)
    position = tf.cast(tf.range(count), tf.uint32)
    bits = _absorb(state[:, None], position[None, :])
    # The upper 24 bits fill a float32's mantissa exactly: no rounding up to 1.
    return tf.cast(tf.bitwise.right_shift(bits, tf.constant(8, tf.uint32)), tf.float32) * 2.0**-24


def sample_balanced(labels, noise, *, count, positive_fraction):
    """Draws a fixed number of anchors or proposals, positives up to a fraction, negatives for the rest.

    Where positives are fewer than their share, negatives fill up; where both run out, padding does. Source: Fast
    R-CNN, section 2.3 (64 RoIs an image, a quarter positive); Faster R-CNN, section 3.1.3 (256 anchors, half).

    Args:
        labels: int (B, A), 1 positive, 0 negative, anything else is never drawn.
        noise: float (B, A) in [0, 1), as `random_uniform` gives it; the largest entries are drawn, ties by lower index.
        count: int, entries to draw for each image.
        positive_fraction: float, at most `round(count * positive_fraction)` are positive.

    Returns:
        indices: int32 (B, count), positives first, then negatives, then padding (index 0).
        labels: int32 (B, count), 1, 0 and -1 for padding.
    """
    labels, noise = tf.cast(labels, tf.int32), tf.cast(noise, tf.float32)
    size = labels.shape[-1]
    if size is None or size < count:
        missing = count if size is None else count - size
        labels = tf.pad(labels, [[0, 0], [0, missing]], constant_values=-1)
        noise = tf.pad(noise, [[0, 0], [0, missing]])
    max_positives = min(count, int(round(count * positive_fraction)))

    def draw(label, number):
        keys, indices = tf.math.top_k(tf.where(labels == label, noise, -1.0), k=number)
        return keys >= 0.0, indices

    is_positive, positives = draw(1, max_positives)
    is_negative, negatives = draw(0, count)
    num_positives = tf.reduce_sum(tf.cast(is_positive, tf.int32), axis=-1, keepdims=True)
    num_negatives = tf.reduce_sum(tf.cast(is_negative, tf.int32), axis=-1, keepdims=True)
    # Row of the list (positives, negatives) that each place takes: the positives found, then negatives from their
    # start.
    place = tf.range(count)[None, :]
    source = tf.where(place < num_positives, place, max_positives + place - num_positives)
    drawn = tf.where(place < num_positives, 1, tf.where(place < num_positives + num_negatives, 0, -1))
    indices = tf.gather(tf.concat([positives, negatives], axis=-1), source, axis=1, batch_dims=1)
    return tf.where(drawn >= 0, indices, 0), drawn
