"""The checks of gin configurations, on names made for this test; those of shipped files are in gin_test.py."""

import functools
import logging

import gin
import keras
import pytest

from panet_tf.gin_checks import _parameters, check_macros, check_parameters, explained, nearest, warn_of_unreached


class Part:
    def __init__(self, *, units=1, **kwargs):
        del units, kwargs


class Layer(keras.layers.Layer):
    def __init__(self, *, filters=1, **kwargs):
        super().__init__(**kwargs)


class Wide(Layer):
    def __init__(self, *, width=1, **kwargs):
        super().__init__(**kwargs)


def inner(*, depth=1, norm=None):
    return depth, norm


def outer(name, **kwargs):
    return name, inner(**kwargs), Wide(width=1)


def open_ended(**kwargs):
    return functools.partial(print, **kwargs)()


@pytest.mark.parametrize(
    "function, names",
    [
        (inner, {"depth", "norm"}),
        (outer, {"name", "depth", "norm"}),  # read out of its body
        (Wide, {"width", "filters", "name", "dtype", "trainable", "autocast", "activity_regularizer"}),
        (Part, None),  # its `**kwargs` go to nothing that is known
        (open_ended, None),
    ],
)
def test_what_a_function_takes_at_the_end_of_its_kwargs(function, names):
    assert _parameters(function) == names


def test_an_optimizers_kwargs_take_nothing_more():
    assert {"learning_rate", "momentum", "clipnorm"} <= _parameters(keras.optimizers.SGD)
    assert "learning_rat" not in _parameters(keras.optimizers.SGD)


@pytest.fixture(scope="module")
def registered():
    """Names in a module of their own; gin has no way to forget them."""
    for function in (inner, outer, Wide):
        gin.register(function.__name__ + "_checked", module="gin_checks_test")(function)
    gin.register("Part_checked", module="panet_tf")(Part)


def test_parameters_that_vanish_are_found(registered):
    gin.parse_config("outer_checked.depth = 3\nPart_checked.anything = 1\nWide_checked.filters = 2")
    check_parameters()
    gin.parse_config("outer_checked.dept = 3")
    with pytest.raises(ValueError, match="outer_checked has no parameter 'dept'. Did you mean \"depth\""):
        check_parameters()


def test_macros_are_defined_and_used(registered):
    gin.parse_config("inner_checked.depth = %DEPTH\nDEPTH = 3\nTRAIN_DATA = 1")  # a run need not use its data
    check_macros()
    gin.parse_config("inner_checked.norm = %DEEP")
    with pytest.raises(ValueError, match='%DEEP is used but nothing defines it. Did you mean "DEPTH"'):
        check_macros()
    gin.parse_config("DEEP = 1\nDEPHT = 4")
    with pytest.raises(ValueError, match='DEPHT has a value but nothing uses it. Did you mean "DEPTH"'):
        check_macros()
    gin.parse_config("inner_checked.depth = %DEPHT\ninner_checked.norm = %MODEL\nouter_checked.depth = %DEPTH\n"
                     "outer_checked.norm = %DEEP")  # fmt: skip
    with pytest.raises(ValueError, match="Give a file of models/ or a binding MODEL"):
        check_macros()


def test_classes_that_nothing_refers_to_are_warned_of(registered, caplog):
    gin.parse_config("Part_checked.units = 3")
    with caplog.at_level(logging.WARNING):
        warn_of_unreached()
        assert not caplog.text  # no model, so another command may use it
        gin.parse_config("MODEL = @inner_checked")
        warn_of_unreached()
        assert "nothing refers to @Part_checked" in caplog.text
        caplog.clear()
        gin.parse_config("inner_checked.norm = @Part_checked")
        warn_of_unreached()
    assert not caplog.text


def test_gins_messages_are_answered(registered, tmp_path):
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / "mine.gin").touch()
    missing = explained("Unable to open file: mine.gin. Searched config paths", [tmp_path])
    assert missing.startswith('There is no gin file "mine.gin" in the working directory, ')
    assert missing.endswith('Did you mean "runs/mine.gin"?')
    assert 'Did you mean "runs/mine.gin"?' in explained("Unable to open file: runs/mien.gin. x", [tmp_path])
    assert explained("No configurable matching 'Wide_chekced'", []).endswith('Did you mean "Wide_checked"?')
    gin.register("Deep_checked", module="panet_tf")(Part)
    gin.register("Deep_checked", module="gin_checks_test")(Part)
    assert explained("No configurable matching '@Depe_checked'", []).endswith('Did you mean "panet_tf.Deep_checked"?')
    theirs = explained("No configurable matching 'gin_checks_test.Depe_checked'", [])
    assert theirs.endswith('Did you mean "gin_checks_test.Deep_checked"?')
    ambiguous = explained("Ambiguous selector 'Deep_checked', matches [...].", [])
    assert ambiguous.endswith('Did you mean "panet_tf.Deep_checked"?')
    unknown = explained("Configurable 'inner_checked' doesn't have a parameter named 'deph'", [])
    assert unknown.endswith('Did you mean "depth"?')
    assert explained(" another matter\n", []) == "another matter"
    assert nearest("abc", ["xyz"]) == ""
