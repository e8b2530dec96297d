import numpy as np
import pytest

from panet_tf.necks.single_level import SingleLevel
from tests.layer_checks import assert_close, check_layer

LEVELS = {f"C{n}": np.random.default_rng(n).standard_normal((1, 64 >> n, 64 >> n, n)).astype("f") for n in (3, 4, 5)}


def test_behaves_as_a_layer():
    layer = check_layer(SingleLevel, {"filters": 6}, LEVELS, {"C5": (1, 2, 2, 6)}, 2, dynamic_axes=(1, 2))
    kernel, bias = (np.asarray(w) for w in layer.weights)
    assert_close(layer(LEVELS)["C5"], np.maximum(LEVELS["C5"] @ kernel[0, 0] + bias, 0))


def test_a_named_level_as_it_is():
    found = SingleLevel(level="C4", filters=None)(LEVELS)
    assert list(found) == ["C4"]
    np.testing.assert_array_equal(found["C4"], LEVELS["C4"])


def test_missing_levels_are_refused():
    with pytest.raises(ValueError, match="one of .*'C5'.*, received 'C6'"):
        SingleLevel(level="C6")(LEVELS)
