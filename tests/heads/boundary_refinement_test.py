import numpy as np
import pytest

from panet_tf.heads.boundary_refinement import BoundaryRefinement
from tests.layer_checks import assert_close, check_layer, randomize
from tests.necks.slow_conv import block, relu

RNG = np.random.default_rng(0)
FEATURES = tuple(RNG.standard_normal((2, 3, 5, 5, 4)).astype("f") for _ in range(2))


@pytest.mark.parametrize(("kwargs", "trainable"), [({}, 8), ({"num_convs": 3, "shortcut": False, "norm": "group"}, 18)])
def test_behaves_as_a_layer(kwargs, trainable):
    check_layer(BoundaryRefinement, kwargs, FEATURES, ((2, 3, 5, 5, 4),) * 2, trainable)


@pytest.mark.parametrize(("num_convs", "shortcut"), [(1, False), (3, False), (2, True), (1, True)])
def test_equals_a_slow_twin(num_convs, shortcut):
    layer = BoundaryRefinement(num_convs=num_convs, shortcut=shortcut)
    layer(FEATURES)
    randomize(layer)
    for level, (x, found) in enumerate(zip(FEATURES, layer(FEATURES))):
        convs = layer.convs[level * num_convs : (level + 1) * num_convs]
        expected = x[1, 2]
        for i, conv in enumerate(convs):
            expected = block(expected, conv.conv, 1)
            if not (shortcut and i + 1 == num_convs):
                expected = relu(expected)
        assert_close(found[1, 2], relu(expected + x[1, 2]) if shortcut else expected)


def test_no_convolution_is_refused():
    with pytest.raises(ValueError, match="at least 1"):
        BoundaryRefinement(num_convs=0)
