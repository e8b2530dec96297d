import keras
import numpy as np
import pytest

from panet_tf.heads.dense_block import DenseBlock
from panet_tf.heads.level_fusion import LevelFusion
from panet_tf.layers.conv_block import ConvBlock
from tests.layer_checks import check_layer

RNG = np.random.default_rng(0)
FEATURES = tuple(RNG.standard_normal((5, 4, 4, 6)).astype("f") for _ in range(3))
NUMPY = {"max": np.maximum.reduce, "sum": np.add.reduce, "prod": np.multiply.reduce}


@pytest.mark.parametrize(("fuse", "trainable"), [("after", 6), ("before", 2)])
@pytest.mark.parametrize("fusion", ["max", "sum", "prod"])
def test_behaves_as_a_layer(fuse, trainable, fusion):
    kwargs = {"layer": ConvBlock(filters=8, name="conv1"), "fusion": fusion, "fuse": fuse}
    # A product of three bfloat16 numbers has three rounding errors.
    check_layer(LevelFusion, kwargs, FEATURES, (5, 4, 4, 8), trainable, mixed_tolerance=0.1)


@pytest.mark.parametrize("fusion", ["max", "sum", "prod"])
def test_fuses_after_layers_of_their_own_or_before_one(fusion):
    after = LevelFusion(layer=DenseBlock(units=7), fusion=fusion)
    found = after(FEATURES)
    np.testing.assert_allclose(found, NUMPY[fusion]([part(x) for part, x in zip(after.layers, FEATURES)]), rtol=1e-5)
    before = LevelFusion(layer=DenseBlock(units=7), fusion=fusion, fuse="before")
    found = before(FEATURES)
    np.testing.assert_allclose(found, before.layers[0](NUMPY[fusion](FEATURES)), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("initializer", ["he_normal", keras.initializers.HeNormal()])
def test_levels_start_from_different_weights(initializer):
    fusion = LevelFusion(layer=ConvBlock(filters=8, kernel_initializer=initializer))
    fusion(FEATURES)
    first, second, third = (np.asarray(part.conv.kernel) for part in fusion.layers)
    assert np.abs(first - second).mean() > 0.01 and np.abs(second - third).mean() > 0.01


def test_one_level_is_the_layer_itself():
    fusion = LevelFusion(layer=ConvBlock(filters=8, name="conv1"))
    found = fusion(FEATURES[:1])
    assert [layer.name for layer in fusion.layers] == ["conv1"]
    np.testing.assert_array_equal(found, fusion.layers[0](FEATURES[0]))


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"fusion": "mean"}, "fusion must be one of .*received 'mean'"),
        ({"fuse": "between"}, "fuse must be 'after' or 'before' the first layer, received 'between'"),
    ],
)
def test_unknown_options_are_refused(kwargs, message):
    with pytest.raises(ValueError, match=message):
        LevelFusion(layer=ConvBlock(filters=8), **kwargs)


@pytest.mark.parametrize("features", [FEATURES[0], (FEATURES[0], FEATURES[1][:, :2])])
def test_features_must_be_a_tuple_of_equal_shapes(features):
    with pytest.raises(ValueError, match="a tuple with a tensor of one shape for each level"):
        LevelFusion(layer=ConvBlock(filters=8))(features)


def test_building_again_adds_no_level():
    fusion = LevelFusion(layer=ConvBlock(filters=8))
    fusion(FEATURES)
    fusion.build([x.shape for x in FEATURES])
    assert len(fusion.layers) == 3 and len(fusion.weights) == 6
