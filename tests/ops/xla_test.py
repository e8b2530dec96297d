"""The question is answered rightly while tracing, at any depth."""

import pytest
import tensorflow as tf

from panet_tf.ops import xla


def test_compilation_is_seen_from_functions_inside():
    answers = {}

    def note(name):
        answers[name] = xla.in_xla_context()
        return tf.constant(0)

    @tf.function(jit_compile=True, autograph=False)
    def compiled():
        inner = tf.function(lambda: note("nested"), autograph=False)
        mapped = tf.map_fn(lambda x: x + note("in a loop"), tf.range(2))
        return note("compiled") + inner() + tf.reduce_sum(mapped)

    compiled()
    tf.function(lambda: note("plain"), autograph=False)()
    note("eager")
    assert answers == {"nested": True, "in a loop": True, "compiled": True, "plain": False, "eager": False}


def test_unknown_implementations_are_refused():
    assert xla.choose_implementation("auto", "fast", "portable", "op") == "fast"
    assert xla.choose_implementation("portable", "fast", "portable", "op") == "portable"
    with pytest.raises(ValueError, match="op: implementation.*\"fast\".*'quick'"):
        xla.choose_implementation("quick", "fast", "portable", "op")
