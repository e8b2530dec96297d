import numpy as np
import pytest

from panet_tf.necks.bottom_up import BottomUp
from tests.layer_checks import assert_close, check_layer, randomize
from tests.necks.slow_conv import block

RNG = np.random.default_rng(0)


def backbone_levels(height=64, width=96, batch=2, channels=(4, 6, 8, 10)):
    return {
        f"C{n}": RNG.standard_normal((batch, -(-height // 2**n), -(-width // 2**n), c)).astype("f")
        for n, c in zip((2, 3, 4, 5), channels)
    }


def shapes_of(height, width, filters=8, batch=2):
    return {f"P{n}": (batch, -(-height // 2**n), -(-width // 2**n), filters) for n in (2, 3, 4, 5, 6)}


def nearest(x, like):
    return x.repeat(2, 0).repeat(2, 1)[: like.shape[0], : like.shape[1]]


def largest_of_four(x):
    height, width = -(-x.shape[0] // 2), -(-x.shape[1] // 2)
    padded = np.full((2 * height, 2 * width, x.shape[2]), -np.inf)
    padded[: x.shape[0], : x.shape[1]] = x
    return padded.reshape(height, 2, width, 2, -1).max((1, 3))


@pytest.mark.parametrize(
    ("kwargs", "trainable"), [({}, 22), ({"deeper": False, "norm": "group"}, 33), ({"downsample": "max"}, 16)]
)
def test_behaves_as_a_layer(kwargs, trainable):
    check_layer(
        BottomUp, {"filters": 8, **kwargs}, backbone_levels(), shapes_of(64, 96), trainable, dynamic_axes=(1, 2)
    )


@pytest.mark.parametrize(
    ("height", "width", "deeper", "downsample"), [(64, 32, True, "conv"), (37, 50, False, "max"), (37, 50, True, "max")]
)
def test_equals_a_slow_twin_also_where_levels_are_ceil_sized(height, width, deeper, downsample):
    layer = BottomUp(filters=4, deeper=deeper, downsample=downsample)
    levels = backbone_levels(height, width, batch=1)
    layer(levels)
    randomize(layer)
    own = {n: block(levels[f"C{n}"][0], layer.laterals[f"P{n}"].conv, 1) for n in (2, 3, 4, 5)}
    expected, merged = {}, None
    for n in (2, 3, 4, 5):
        total = own[n].copy()
        if merged is not None:
            total += block(merged, layer.downs[f"P{n}"].conv, 2) if downsample == "conv" else largest_of_four(merged)
        if deeper and n < 5:
            total += nearest(own[n + 1], own[n])
        merged = total
        expected[f"P{n}"] = block(total, layer.convs[f"P{n}"].conv, 1)
    expected["P6"] = expected["P5"][::2, ::2]
    assert_close({name: x[0] for name, x in layer(levels).items()}, expected)


def test_what_cannot_be_is_refused():
    with pytest.raises(ValueError, match="downsample"):
        BottomUp(downsample="average")
    with pytest.raises(ValueError, match="follow each other"):
        BottomUp(filters=4)({name: x for name, x in backbone_levels().items() if name != "C3"})
