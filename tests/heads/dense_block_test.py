import numpy as np
import pytest

from panet_tf.heads.dense_block import DenseBlock
from tests.layer_checks import check_layer

INPUTS = np.random.default_rng(0).standard_normal((5, 3, 2, 4)).astype("f")


@pytest.mark.parametrize(
    ("kwargs", "trainable", "other"),
    [({}, 2, 0), ({"activation": None}, 2, 0), ({"norm": "group"}, 4, 0), ({"norm": "sync_bn"}, 4, 2)],
)
def test_behaves_as_a_layer(kwargs, trainable, other):
    check_layer(DenseBlock, {"units": 64, **kwargs}, INPUTS, (5, 64), trainable, other)


def test_normalises_between_product_and_activation():
    block = DenseBlock(units=64, norm="group")
    found = block(INPUTS)
    product = INPUTS.reshape(5, -1).astype("float64") @ np.asarray(block.dense.kernel)
    groups = product.reshape(5, 32, 2)
    groups = (groups - groups.mean(-1, keepdims=True)) / np.sqrt(groups.var(-1, keepdims=True) + 1e-5)
    np.testing.assert_allclose(found, np.maximum(groups.reshape(5, 64), 0), atol=1e-4)


def test_unknown_norm_is_refused():
    with pytest.raises(ValueError, match="norm must be one of .*received 'layer'"):
        DenseBlock(units=8, norm="layer")
