import numpy as np
import pytest

from panet_tf.necks.sa_fpn import SAFPN
from tests.layer_checks import assert_close, check_layer, randomize
from tests.necks.bottom_up_test import backbone_levels, shapes_of
from tests.necks.slow_conv import block


@pytest.mark.parametrize(("fusion", "trainable"), [("concat", 46), ("add", 38)])
def test_behaves_as_a_layer(fusion, trainable):
    check_layer(
        SAFPN,
        {"filters": 8, "fusion": fusion},
        backbone_levels(),
        shapes_of(64, 96),
        trainable,
        dynamic_axes=(1, 2),
    )


@pytest.mark.parametrize("fusion", ["concat", "add"])
def test_levels_of_both_pyramids_are_merged(fusion):
    layer = SAFPN(filters=4, fusion=fusion)
    levels = backbone_levels(37, 50, batch=1)
    layer(levels)
    randomize(layer)
    down, up = layer.top_down(levels), layer.bottom_up(levels)
    expected = {}
    for name in ("P2", "P3", "P4", "P5"):
        both = np.concatenate([down[name][0], up[name][0]], axis=-1)
        reduced = block(both, layer.reductions[name].conv, 1) if fusion == "concat" else both[..., :4] + both[..., 4:]
        expected[name] = reduced
    expected["P6"] = expected["P5"][::2, ::2]
    assert_close({name: x[0] for name, x in layer(levels).items()}, expected)


def test_levels_of_a_dense_detector():
    names = ("P3", "P4", "P5", "P6", "P7")
    shapes = {**shapes_of(64, 96), "P7": (2, 1, 1, 8)}
    del shapes["P2"]
    settings = {"filters": 8, "outputs": names, "extra_levels": "c5"}
    layer = check_layer(SAFPN, settings, backbone_levels(), shapes, 42, dynamic_axes=(1, 2))
    levels = backbone_levels(37, 50, batch=1)
    found = layer(levels)
    convs = layer.top_down.extra_convs
    expected = {"P6": block(levels["C5"][0], convs["P6"].conv, 2)}
    expected["P7"] = block(np.maximum(expected["P6"], 0), convs["P7"].conv, 2)
    assert_close({name: found[name][0] for name in expected}, expected)
    every = SAFPN(filters=8, outputs=names, extra_levels="subsample")
    found = every(levels)
    assert tuple(found) == names and len(every.weights) == 42 - 4
    np.testing.assert_array_equal(found["P7"], found["P5"][:, ::4, ::4])


def test_what_cannot_be_is_refused():
    with pytest.raises(ValueError, match="fusion must be .* received 'max'"):
        SAFPN(fusion="max")
    with pytest.raises(ValueError, match="extra_levels must be .* received 'p5'"):
        SAFPN(extra_levels="p5")
    with pytest.raises(ValueError, match="outputs must be levels from the backbone's finest up, received .'P1'"):
        SAFPN(outputs=("P1", "P2"))(backbone_levels())
