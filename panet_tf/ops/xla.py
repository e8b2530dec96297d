"""Asking whether the graph under construction will be compiled by XLA, for ops that exist in two implementations."""

import tensorflow as tf
from tensorflow.python.ops import control_flow_util


def in_xla_context():
    """Whether the code now being traced is inside `tf.function(jit_compile=True)`, or nested in such a function.

    `tf.image.crop_and_resize` and the native non-maximum suppression have no XLA kernel, so `roi_align` and `nms`
    choose their implementation by this answer at tracing time. A plain `tf.function` that was traced before and is
    then called from a compiled one keeps its first trace: pass `implementation` where that can happen.

    Returns:
        bool, a Python value; False in eager mode.
    """
    if tf.executing_eagerly():
        return False
    return bool(control_flow_util.GraphOrParentsInXlaContext(tf.compat.v1.get_default_graph()))


def choose_implementation(implementation, native, portable, what):
    """Resolves `"auto"` to `native` outside XLA and to `portable` inside, and refuses unknown names.

    Args:
        implementation: str, `"auto"` or one of the two names.
        native: str, name of the implementation without an XLA kernel.
        portable: str, name of the implementation that XLA compiles.
        what: str, the function that asks, for the error.

    Returns:
        str, `native` or `portable`.

    Raises:
        ValueError: on any other name.
    """
    if implementation == "auto":
        return portable if in_xla_context() else native
    if implementation not in (native, portable):
        raise ValueError(
            f'{what}: implementation must be "auto", "{native}" or "{portable}", received {implementation!r}.'
        )
    return implementation
