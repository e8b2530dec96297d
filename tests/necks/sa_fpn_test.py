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


def test_an_unknown_fusion_is_refused():
    with pytest.raises(ValueError, match="max"):
        SAFPN(fusion="max")
