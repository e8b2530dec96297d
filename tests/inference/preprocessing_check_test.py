"""When a word is said about sizes, and when not."""

import logging
import types

import pytest

from panet_tf.data.preprocessing import Preprocessing
from panet_tf.inference.preprocessing_check import warn_of_other_preprocessing


def shown(**settings):
    return types.SimpleNamespace(preprocessing=Preprocessing(**{"short_side": None, "long_side": 640} | settings))


OTHER = ({"short_side": 600}, {"long_side": 1333}, {"mean": (0, 0, 0)}, {"std": (1, 1, 1)})


@pytest.mark.parametrize("settings", OTHER)
def test_a_difference_is_named(settings, caplog):
    with caplog.at_level(logging.WARNING):
        warn_of_other_preprocessing(shown(), shown(**settings))
    (name,) = settings
    assert f"The data have {name} {getattr(shown(**settings).preprocessing, name)}, the model" in caplog.text
    assert f"trained with {name} {getattr(shown().preprocessing, name)}:" in caplog.text


def test_equal_and_unknown_settings_are_passed_over(caplog):
    again = types.SimpleNamespace(preprocessing=Preprocessing.from_config(shown().preprocessing.get_config()))
    with caplog.at_level(logging.WARNING):
        warn_of_other_preprocessing(shown(), again)
        warn_of_other_preprocessing(shown(), shown(canvases=((640, 640),)))
        for other in (types.SimpleNamespace(), types.SimpleNamespace(preprocessing=None)):
            warn_of_other_preprocessing(shown(), other)
            warn_of_other_preprocessing(other, shown())
    assert not caplog.text
