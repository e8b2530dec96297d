"""OANet's semantic head beside loops, and as a Keras layer."""

import numpy as np
import pytest
import tensorflow as tf

from panet_tf.heads.stuff import StuffHead
from tests.layer_checks import check_layer
from tests.necks.slow_conv import block, group_norm, relu
from tests.ops.panoptic_merge_test import resized

RNG = np.random.default_rng(0)
LEVELS = {f"N{n}": RNG.standard_normal((2, 32 >> n, 64 >> n, 6)).astype("float32") for n in (2, 3, 4)}
SMALL = {"num_classes": 5, "levels": (2, 3, 4), "filters": 8, "fused_filters": 12}


@pytest.mark.parametrize(
    "kwargs, trainable, other",
    [({}, 6 * 3 + 3 + 2, 0), ({"norm": None, "num_convs": 1, "upsample": "nearest"}, 3 * 2 + 2 + 2, 0)],
)
def test_behaves_as_a_layer(kwargs, trainable, other):
    check_layer(
        StuffHead,
        {**SMALL, **kwargs},
        LEVELS,
        (2, 8, 16, 5),
        trainable,
        other,
        dynamic_axes=(1, 2),
        mixed_dtypes="float32",
    )


@pytest.mark.parametrize("upsample", ["bilinear", "nearest"])
def test_computes_what_the_paper_says(upsample):
    head = StuffHead(**SMALL, upsample=upsample)
    found = head(LEVELS)

    def conv(x, layer):
        gamma, beta = (np.asarray(w) for w in layer.norm.weights)
        return relu(group_norm(block(x, layer.conv), gamma, beta, layer.norm.groups))

    maps = []
    for i, levels in enumerate(LEVELS.values()):
        x = conv(conv(levels[1], head.convs[2 * i]), head.convs[2 * i + 1])
        x = resized(x, (8, 16)) if upsample == "bilinear" else x.repeat(1 << i, 0).repeat(1 << i, 1)
        maps.append(x)
    expected = block(conv(np.concatenate(maps, -1), head.fused), head.predictor)
    np.testing.assert_allclose(found[1], expected, atol=1e-5)  # float32


def test_the_sixth_level_is_left_alone_and_others_are_needed():
    head = StuffHead(**SMALL)
    found = head({**LEVELS, "N6": np.zeros((2, 1, 1, 6), "float32")})
    assert tf.reduce_all(found == head(LEVELS))
    with pytest.raises(ValueError, match="numbers"):
        head({"N2": LEVELS["N2"]})
    with pytest.raises(ValueError, match="upsample"):
        StuffHead(num_classes=2, upsample="cubic")
