"""Names and layouts of torch against layers computed by hand."""

import keras
import numpy as np
import pytest

from panet_tf.layers.conv_block import ConvBlock
from panet_tf.layers.grouped_conv import GroupedConv
from panet_tf.layers.norms import make_norm
from panet_tf.weights.torch_layout import match_torch


def _array(shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype("float32")


def _model(layer, shape):
    images = keras.Input(shape)
    return keras.Model(images, layer(images))


def _load(layer, shape, arrays):
    model = _model(layer, shape)
    pairs, skipped = match_torch(model, arrays)
    assert not skipped and len(pairs) == len(model.weights)
    for _, variable, array in pairs:
        variable.assign(array)
    return model


def test_convolution():
    w, b, x = _array((5, 3, 3, 3)), _array((5,), 1), _array((1, 3, 3, 3), 2)
    model = _load(keras.layers.Conv2D(5, 3, name="a_0_b"), (3, 3, 3), {"a.0.b.weight": w, "a.0.b.bias": b})
    np.testing.assert_allclose(model(x)[0, 0, 0], np.einsum("ochw,hwc->o", w, x[0]) + b, rtol=1e-5)


def test_convolution_in_groups():
    """ResNeXt's: each third of the filters sees its third of the channels."""
    w, x = _array((6, 2, 3, 3)), _array((1, 3, 3, 6), 2)
    layer = GroupedConv(filters=6, kernel_size=3, groups=3, use_bias=False, name="layer1_0_conv2")
    model = _load(layer, (3, 3, 6), {"layer1.0.conv2.weight": w})
    wanted = [np.einsum("chw,hwc->", w[o], x[0, ..., 2 * (o // 2) : 2 * (o // 2) + 2]) for o in range(6)]
    np.testing.assert_allclose(model(x)[0, 0, 0], wanted, rtol=1e-4, atol=1e-5)


def test_depthwise_convolution():
    w, x = _array((4, 1, 3, 3)), _array((1, 3, 3, 4), 2)
    model = _load(keras.layers.DepthwiseConv2D(3, use_bias=False, name="dw"), (3, 3, 4), {"dw.weight": w})
    np.testing.assert_allclose(model(x)[0, 0, 0], np.einsum("chw,hwc->c", w[:, 0], x[0]), rtol=1e-5)


def test_transposed_convolution():
    w, x = _array((3, 5, 2, 2)), _array((1, 1, 1, 3), 2)
    model = _load(keras.layers.Conv2DTranspose(5, 2, strides=2, use_bias=False, name="up"), (1, 1, 3), {"up.weight": w})
    np.testing.assert_allclose(model(x)[0], np.einsum("iohw,i->hwo", w, x[0, 0, 0]), rtol=1e-5)


def test_linear():
    w, b, x = _array((5, 3)), _array((5,), 1), _array((1, 3), 2)
    model = _load(keras.layers.Dense(5, name="fc"), (3,), {"fc.weight": w, "fc.bias": b})
    np.testing.assert_allclose(model(x)[0], w @ x[0] + b, rtol=1e-5)


@pytest.mark.parametrize("norm", ["frozen_bn", "batch"])
def test_batch_norm(norm):
    leaves = ("weight", "bias", "running_mean", "running_var")
    arrays = {f"bn.{leaf}": np.abs(_array((4,), i)) + 0.1 for i, leaf in enumerate(leaves)}
    model = _load(make_norm(norm, name="bn"), (2, 2, 4), {**arrays, "bn.num_batches_tracked": np.int64(3)})
    x = _array((1, 2, 2, 4), 9)
    w, b, mean, variance = arrays.values()
    np.testing.assert_allclose(model(x), (x - mean) / np.sqrt(variance + 1e-5) * w + b, rtol=1e-4, atol=1e-6)


def test_group_norm_takes_group_norms_numbers_only():
    model = _model(make_norm("group", name="gn"), (2, 2, 4))
    arrays = {"gn.weight": _array((4,)), "gn.bias": _array((4,))}
    assert len(match_torch(model, arrays)[0]) == 2
    pairs, skipped = match_torch(model, {**arrays, "gn.running_mean": _array((4,)), "gn.running_var": _array((4,))})
    assert not pairs and len(skipped) == 4


def test_parts_of_parts_are_addressed_by_their_path():
    model = _model(ConvBlock(filters=4, norm="batch", name="lateral_C2"), (4, 4, 3))
    arrays = {"lateral_C2.conv.weight": _array((4, 3, 3, 3)), "lateral_C2.norm.weight": _array((4,))}
    pairs, skipped = match_torch(model, arrays)
    assert [variable.path for _, variable, _ in pairs] == ["lateral_C2/conv/kernel", "lateral_C2/norm/gamma"]
    assert not skipped


def test_what_does_not_fit_is_named_with_shape_and_reason():
    model = _model(keras.layers.Conv2D(5, 3, name="conv"), (3, 3, 3))
    arrays = {"conv.weight": _array((7, 3, 3, 3)), "conv.scale": _array((5,)), "fc.bias": _array((2,))}
    pairs, skipped = match_torch(model, arrays)
    assert not pairs
    assert skipped == [
        ("conv.weight", (7, 3, 3, 3), "the model has (5, 3, 3, 3)"),
        ("conv.scale", (5,), "not in the model"),
        ("fc.bias", (2,), "not in the model"),
    ]


def test_names_can_be_changed_or_left_out():
    model = _model(keras.layers.Dense(5, name="fc"), (3,))
    arrays = {"head.fc.weight": _array((5, 3)), "ema.fc.weight": _array((5, 3))}
    pairs, skipped = match_torch(model, arrays, lambda name: name[5:] if name.startswith("head.") else None)
    assert [name for name, _, _ in pairs] == ["head.fc.weight"] and not skipped


class _Twins(keras.layers.Layer):
    def __init__(self):
        super().__init__()
        self.parts = [keras.layers.Dense(3, name="fc") for _ in range(2)]
        for part in self.parts:
            part.build((None, 3))

    def call(self, x):
        return self.parts[1](self.parts[0](x))


def test_two_layers_of_one_name_are_refused():
    with pytest.raises(ValueError, match="two are called fc"):
        match_torch(_model(_Twins(), (3,)), {"fc.weight": _array((3, 3))})
