"""Convolution in groups of channels, at the speed that fewer products promise."""

import functools

import tensorflow as tf

from panet_tf.ops import xla

IMPLEMENTATIONS = ("auto", "native", "merged", "split")
_MERGED_CHANNELS = 64  # inputs of a merged group; 32 to 128 are alike on CPU, see benchmarks/grouped_conv.py


def grouped_conv(inputs, kernel, *, strides=1, padding="SAME", dilations=1, implementation="auto"):
    """Convolves each group of channels with its own kernels (ResNeXt, section 3).

    Keras hands grouped convolutions to XLA, whose gradient of the kernel is hundreds of times slower on a CPU than the
    kernel of oneDNN that a plain TensorFlow operation runs. XLA itself is quick when neighbouring groups are merged
    into dense ones whose kernels are zero between the groups.

    Args:
        inputs: float (B, H, W, C).
        kernel: float (height, width, C / groups, filters), of the inputs' dtype; filters of one group are neighbours.
        strides, dilations: int or two.
        padding: `"SAME"` or `"VALID"`, as TensorFlow has them.
        implementation: `"native"`, one operation; `"merged"`, a few dense convolutions of about 64 input channels;
            `"split"`, a convolution a group; or `"auto"`: `"native"` where it runs, `"merged"` where XLA compiles,
            `"split"` otherwise. Defaults to `"auto"`.

    Returns:
        float (B, H', W', filters).

    Raises:
        ValueError: for an unknown implementation, or channels that do not fit the kernel.

    Example:
        >>> grouped_conv(tf.ones((1, 50, 84, 256)), tf.ones((3, 3, 8, 256))).shape  # 32 groups
        TensorShape([1, 50, 84, 256])
    """
    if implementation not in IMPLEMENTATIONS:
        raise ValueError(f"implementation must be one of {IMPLEMENTATIONS}, received {implementation!r}.")
    groups, rest = divmod(inputs.shape[-1], kernel.shape[2])
    if rest or kernel.shape[3] % groups:
        raise ValueError(
            f"channels and filters must be multiples of the groups, received {inputs.shape[-1]} channels for a kernel "
            f"of shape {tuple(kernel.shape)}."
        )
    if implementation == "auto":
        implementation = "merged" if xla.in_xla_context() else "native" if native_is_there() else "split"
    if groups > 1 and implementation == "native":
        return tf.nn.conv2d(inputs, kernel, strides, padding, dilations=dilations)
    merged = 1 if implementation == "split" else _merged_groups(groups, kernel.shape[2])
    kernels = _block_diagonal(kernel, groups, merged)
    parts = tf.split(inputs, groups // merged, axis=-1)
    convolve = functools.partial(tf.nn.convolution, strides=strides, padding=padding, dilations=dilations)
    outputs = [convolve(part, k) for part, k in zip(parts, kernels)]
    return tf.concat(outputs, axis=-1)


@functools.cache
def native_is_there():
    """Whether this machine can convolve in groups and back in one operation: a CPU needs oneDNN for it."""
    with tf.init_scope():
        inputs, kernel = tf.ones((1, 8, 8, 16)), tf.ones((3, 3, 4, 16))
        try:
            with tf.GradientTape() as tape:
                tape.watch(kernel)
                outputs = tf.nn.conv2d(inputs, kernel, 1, "SAME")
            tape.gradient(outputs, kernel)
        except (tf.errors.InvalidArgumentError, tf.errors.UnimplementedError):
            return False
    return True


def _merged_groups(groups, channels):
    """How many neighbouring groups make a dense one: a divisor of `groups`."""
    wanted = max(1, min(groups, _MERGED_CHANNELS // channels))
    return next(count for count in range(wanted, 0, -1) if groups % count == 0)


def _block_diagonal(kernel, groups, merged):
    """Kernels (height, width, m * C / groups, m * filters / groups) of the `groups // m` dense groups."""
    height, width, channels, filters = kernel.shape
    kernel = tf.reshape(kernel, (height, width, channels, groups // merged, merged, filters // groups))
    blocks = tf.einsum("hwinmo,pm->nhwpimo", kernel, tf.eye(merged, dtype=kernel.dtype))
    shape = (groups // merged, height, width, merged * channels, merged * filters // groups)
    return tf.unstack(tf.reshape(blocks, shape))
