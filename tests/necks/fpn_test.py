import keras
import numpy as np
import pytest
import tensorflow as tf

from panet_tf.necks.fpn import FPN
from tests.layer_checks import assert_close, check_layer, randomize
from tests.necks.slow_conv import block, relu

RNG = np.random.default_rng(0)
CHANNELS = {"C2": 3, "C3": 4, "C4": 5, "C5": 6}


def backbone_levels(height=64, width=96, batch=2):
    """C2..C5 of an image of this size, ceil-sized."""
    sizes = {name: (-(-height // 2 ** int(name[1])), -(-width // 2 ** int(name[1]))) for name in CHANNELS}
    return {name: RNG.standard_normal((batch, *sizes[name], c)).astype("f") for name, c in CHANNELS.items()}


def shapes_of(height, width, levels, filters=8, batch=2):
    return {f"P{n}": (batch, -(-height // 2**n), -(-width // 2**n), filters) for n in levels}


@pytest.mark.parametrize(
    ("kwargs", "levels", "trainable", "other"),
    [
        ({}, (2, 3, 4, 5, 6), 16, 0),
        ({"norm": "group"}, (2, 3, 4, 5, 6), 24, 0),
        ({"norm": "group", "use_bias": True}, (2, 3, 4, 5, 6), 32, 0),
        ({"norm": "batch"}, (2, 3, 4, 5, 6), 24, 16),
        ({"norm": "frozen_bn"}, (2, 3, 4, 5, 6), 8, 32),
        ({"top_down": False}, (2, 3, 4, 5, 6), 16, 0),
        ({"lateral": False}, (2, 3, 4, 5, 6), 10, 0),
        ({"fusion": "average", "upsample": "bilinear"}, (2, 3, 4, 5, 6), 16, 0),
        ({"outputs": ("P2",)}, (2,), 10, 0),
        ({"outputs": ("P3", "P4", "P5", "P6", "P7"), "extra_levels": "c5"}, (3, 4, 5, 6, 7), 16, 0),
        ({"outputs": ("P3", "P4", "P5", "P6", "P7"), "extra_levels": "p5"}, (3, 4, 5, 6, 7), 16, 0),
    ],
)
def test_behaves_as_a_layer(kwargs, levels, trainable, other):
    check_layer(
        FPN,
        {"filters": 8, **kwargs},
        backbone_levels(),
        shapes_of(64, 96, levels),
        trainable,
        other,
        dynamic_axes=(1, 2),
    )


def slow_fpn(layer, levels, top_down=True, lateral=True, average=False):
    """P2..P5 of one image, cell by cell; nearest upsampling."""
    merged, outputs = None, {}
    for n in (5, 4, 3, 2):
        own = block(levels[f"C{n}"], layer.laterals[f"P{n}"].conv) if lateral or n == 5 else None
        if merged is None or not top_down:
            merged = own
        else:
            height, width = levels[f"C{n}"].shape[:2]
            above = np.array([[merged[i // 2, j // 2] for j in range(width)] for i in range(height)])
            merged = above if own is None else (own + above) / (2 if average else 1)
        outputs[f"P{n}"] = block(merged, layer.convs[f"P{n}"].conv)
    return outputs


@pytest.mark.parametrize(
    ("kwargs", "twin"),
    [
        ({}, {}),
        ({"top_down": False}, {"top_down": False}),
        ({"lateral": False}, {"lateral": False}),
        ({"fusion": "average"}, {"average": True}),
    ],
)
@pytest.mark.parametrize(("height", "width"), [(32, 64), (37, 50)])
def test_equals_a_slow_twin_also_where_levels_are_ceil_sized(kwargs, twin, height, width):
    layer = FPN(filters=4, **kwargs)
    levels = backbone_levels(height, width, batch=1)
    layer(levels)
    randomize(layer)
    found = layer(levels)
    expected = slow_fpn(layer, {k: v[0] for k, v in levels.items()}, **twin)
    expected["P6"] = expected["P5"][::2, ::2]
    assert list(found) == ["P2", "P3", "P4", "P5", "P6"]
    assert_close({k: v[0] for k, v in found.items()}, expected)


@pytest.mark.parametrize("source", ["c5", "p5"])
def test_convolved_extra_levels(source):
    layer = FPN(filters=4, outputs=("P4", "P5", "P6", "P7"), extra_levels=source)
    levels = backbone_levels(batch=1)
    layer(levels)
    randomize(layer)
    found = layer(levels)
    start = levels["C5"][0] if source == "c5" else found["P5"][0]
    p6 = block(start, layer.extra_convs["P6"].conv, stride=2)
    p7 = block(relu(p6), layer.extra_convs["P7"].conv, stride=2)
    assert_close({"P6": found["P6"][0], "P7": found["P7"][0]}, {"P6": p6, "P7": p7})


def test_bilinear_upsampling_keeps_a_ramp_straight():
    layer = FPN(filters=1, lateral=False, upsample="bilinear", outputs=("P4", "P5"))
    ramp = np.tile(np.arange(8, dtype="f")[:, None, None], (1, 8, 1))
    layer({"C4": np.zeros((1, 16, 16, 1), "f"), "C5": ramp[None]})
    for conv in (*layer.laterals.values(), *layer.convs.values()):
        kernel = np.zeros(conv.conv.kernel.shape, "f")
        kernel[kernel.shape[0] // 2, kernel.shape[1] // 2] = 1
        conv.conv.kernel.assign(kernel)
    p4 = layer({"C4": np.zeros((1, 16, 16, 1), "f"), "C5": ramp[None]})["P4"]
    np.testing.assert_allclose(p4[0, 1:-1, 3, 0], np.arange(1, 15) / 2 - 0.25, atol=1e-6)  # half-pixel centres


@pytest.mark.parametrize("upsample", ["nearest", "bilinear"])
def test_compiles_with_its_gradient(upsample):
    layer = FPN(filters=4, upsample=upsample)
    levels = {k: tf.constant(v) for k, v in backbone_levels(40, 40).items()}
    layer(levels)

    def gradients():
        with tf.GradientTape() as tape:
            loss = tf.add_n([tf.reduce_sum(x**2) for x in layer(levels, training=True).values()])
        return tape.gradient(loss, [w.value for w in layer.trainable_weights])

    assert_close(tf.function(gradients, jit_compile=True)(), gradients())


def test_unneeded_levels_have_no_weights():
    layer = FPN(filters=4, outputs=("P4", "P5", "P6", "P7"), extra_levels="c5")
    layer(backbone_levels())
    assert set(layer.laterals) == set(layer.convs) == {"P4", "P5"}
    layer = FPN(filters=4, outputs=("P6",), extra_levels="c5")
    assert list(layer(backbone_levels())) == ["P6"]
    assert not layer.convs


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"fusion": "max"}, "fusion must be one of .*received 'max'"),
        ({"upsample": "cubic"}, "upsample must be one of .*received 'cubic'"),
        ({"extra_levels": "pool"}, "extra_levels must be one of .*received 'pool'"),
        ({"norm": "layer"}, "norm must be one of .*received 'layer'"),
        ({"top_down": False, "lateral": False}, "one of top_down and lateral must be True"),
    ],
)
def test_unknown_options_are_refused(kwargs, message):
    with pytest.raises(ValueError, match=message):
        FPN(**kwargs)


def test_levels_finer_than_the_backbone_are_refused():
    with pytest.raises(ValueError, match=r"outputs must be levels from .*\('P1', 'P2'\)"):
        FPN(filters=4, outputs=("P1", "P2"))(backbone_levels())


def test_sits_in_a_functional_model_of_any_image_size():
    inputs = {name: keras.Input((None, None, c), name=name) for name, c in CHANNELS.items()}
    model = keras.Model(inputs, FPN(filters=4)(inputs))
    assert {k: v.shape for k, v in model(backbone_levels(96, 32)).items()} == shapes_of(96, 32, range(2, 7), 4)


def test_building_again_keeps_the_weights():
    layer = FPN(filters=4)
    expected = layer(backbone_levels())
    layer.build({name: x.shape for name, x in backbone_levels().items()})
    assert len(layer.weights) == 16 and expected.keys() == layer(backbone_levels()).keys()
