import numpy as np
import pytest

from panet_tf.necks.fpn import FPN
from panet_tf.necks.pafpn import PAFPN
from tests.layer_checks import assert_close, check_layer, randomize
from tests.necks.slow_conv import block, group_norm, relu

RNG = np.random.default_rng(0)


def pyramid(height=64, width=96, channels=8, batch=2):
    """P2..P5 of an image of this size, ceil-sized."""
    return {
        f"P{n}": RNG.standard_normal((batch, -(-height // 2**n), -(-width // 2**n), channels)).astype("f")
        for n in (2, 3, 4, 5)
    }


def shapes_of(height, width, levels, filters=8, batch=2):
    return {f"N{n}": (batch, -(-height // 2**n), -(-width // 2**n), filters) for n in levels}


@pytest.mark.parametrize(
    ("kwargs", "trainable", "other"),
    [
        ({}, 12, 0),
        ({"norm": "group"}, 18, 0),
        ({"norm": "group", "use_bias": True}, 24, 0),
        ({"norm": "sync_bn"}, 18, 12),
        ({"norm": "frozen_bn"}, 6, 24),
    ],
)
def test_behaves_as_a_layer(kwargs, trainable, other):
    check_layer(
        PAFPN,
        {"filters": 8, **kwargs},
        pyramid(),
        shapes_of(64, 96, (2, 3, 4, 5, 6)),
        trainable,
        other,
        dynamic_axes=(1, 2),
    )


@pytest.mark.parametrize(
    ("height", "width", "norm", "activation", "refined"),
    [
        (64, 32, None, "relu", True),
        (37, 50, "group", "relu", True),
        (64, 32, None, None, True),  # the authors' release without a norm
        (37, 50, None, None, False),  # mmdetection
    ],
)
def test_equals_a_slow_twin_also_where_levels_are_ceil_sized(height, width, norm, activation, refined):
    layer = PAFPN(filters=4, norm=norm, activation=activation, refined=refined)
    levels = pyramid(height, width, 4, batch=1)
    layer(levels)
    randomize(layer)

    def step(x, part, stride):
        x = block(x, part.conv, stride)
        if norm:
            x = group_norm(x, *(np.asarray(w) for w in part.norm.weights), groups=part.norm.groups)
        return relu(x) if activation else x

    expected = {"N2": levels["P2"][0]}
    below = expected["N2"]
    for n in (3, 4, 5):
        total = step(below, layer.downs[f"N{n}"], 2) + levels[f"P{n}"][0]
        expected[f"N{n}"] = step(total, layer.convs[f"N{n}"], 1)
        below = expected[f"N{n}"] if refined else total
    expected["N6"] = expected["N5"][::2, ::2]
    found = layer(levels)
    assert list(found) == ["N2", "N3", "N4", "N5", "N6"]
    assert_close({name: x[0] for name, x in found.items()}, expected)


def test_n2_is_p2_and_levels_beyond_the_path_are_ignored():
    levels = pyramid()
    layer = PAFPN(filters=8)
    expected = layer(levels)
    np.testing.assert_array_equal(expected["N2"], levels["P2"])
    found = layer({**levels, "P6": np.full((2, 1, 2, 8), np.nan, "f")})
    assert_close(found, expected, rtol=0)


def test_other_levels():
    found = PAFPN(filters=8, levels=("P3", "P4"))(pyramid())
    assert {k: v.shape for k, v in found.items()} == shapes_of(64, 96, (3, 4, 5))


@pytest.mark.parametrize("levels", [(), ("P2", "P4"), ("P4", "P3")])
def test_levels_with_gaps_are_refused(levels):
    with pytest.raises(ValueError, match="levels must follow each other"):
        PAFPN(levels=levels)


@pytest.mark.golden
def test_equals_the_authors_modules(golden, seeded):
    """N2..N6 from C2..C5 through FPN and PAFPN with group norm."""
    recorded = golden("panet")
    seed = int(recorded["seed"]) if "seed" in recorded else 0
    rng = np.random.default_rng(int(recorded["C_seed"]))
    levels = {}
    for name in ("C2", "C3", "C4", "C5"):
        x = rng.standard_normal(recorded[f"{name}_rng_shape"]).astype("float32")
        levels[name] = x.transpose(0, 2, 3, 1)
    fpn, pafpn = FPN(norm="group"), PAFPN(norm="group", use_bias=True)
    pafpn(fpn(levels))
    shapes = dict(entry.split("|") for entry in recorded["fpn_names"])

    def load(part, prefix, suffixes):
        weights = {}
        for leaf in suffixes:
            shape = tuple(int(n) for n in shapes.pop(f"panet.fpn.{prefix}.{leaf}")[1:-1].split(",") if n)
            weights[leaf] = seeded.seeded(f"panet.fpn.{prefix}.{leaf}", shape, seed)
        biases = [weights[leaf] for leaf in suffixes if leaf == "0.bias"]
        part.conv.set_weights([weights["0.weight"].transpose(2, 3, 1, 0), *biases])
        part.norm.set_weights([weights["1.weight"], weights["1.bias"]])

    norm = ["0.weight", "1.weight", "1.bias"]
    load(fpn.laterals["P5"], "conv_top", norm)
    for i, n in enumerate((4, 3, 2)):
        load(fpn.laterals[f"P{n}"], f"topdown_lateral_modules.{i}.conv_lateral", norm)
    for i, n in enumerate((5, 4, 3, 2)):
        load(fpn.convs[f"P{n}"], f"posthoc_modules.{i}", norm)
    for i, n in enumerate((3, 4, 5)):
        load(pafpn.downs[f"N{n}"], f"panet_buttomup_conv1_modules.{i}", [*norm, "0.bias"])
        load(pafpn.convs[f"N{n}"], f"panet_buttomup_conv2_modules.{i}", [*norm, "0.bias"])
    assert not shapes

    for name, x in pafpn(fpn(levels)).items():
        found, expected = np.transpose(x, (0, 3, 1, 2)), recorded[name]
        assert found.shape == tuple(recorded[f"{name}_shape"])
        # Values are about 1; float32 sums of up to 2,304 products through ten layers differ in their order.
        np.testing.assert_allclose(found[:, : expected.shape[1]], expected, atol=3e-5, err_msg=name)
