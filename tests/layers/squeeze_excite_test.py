import numpy as np
import pytest

from panet_tf.layers.squeeze_excite import SqueezeExcite
from tests.layer_checks import assert_close, check_layer

X = np.random.default_rng(0).standard_normal((2, 5, 6, 32)).astype("float32")


def test_behaves_as_a_layer():
    check_layer(SqueezeExcite, {"reduction": 8}, X, (2, 5, 6, 32), 4, dynamic_axes=(1, 2))


def test_weighs_channels_by_their_means():
    layer = check_layer(SqueezeExcite, {}, X, (2, 5, 6, 32), 4)
    a, p, b, q = (np.asarray(w, "float64") for w in layer.weights)
    squeezed = np.maximum(X.astype("float64").mean((1, 2)) @ a[0, 0] + p, 0)
    factors = 1 / (1 + np.exp(-(squeezed @ b[0, 0] + q)))
    assert a.shape == (1, 1, 32, 2)
    assert_close(layer(X), X * factors[:, None, None])


def test_too_few_channels_are_refused():
    with pytest.raises(ValueError, match="received 64 for 32"):
        SqueezeExcite(reduction=64)(X)
