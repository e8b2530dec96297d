"""VGG, and mirrored borders in backbones."""

import keras
import numpy as np
import pytest

from panet_tf.backbones.resnet import resnet
from panet_tf.backbones.vgg import vgg
from panet_tf.weights.loading import load

# torchvision's `vgg11().features` and `vgg16().features`: places of the convolutions, and their channels.
CONVOLUTIONS = {
    11: {
        0: (3, 64), 3: (64, 128), 6: (128, 256), 8: (256, 256), 11: (256, 512), 13: (512, 512), 16: (512, 512),
        18: (512, 512),
    },
    16: {
        0: (3, 64), 2: (64, 64), 5: (64, 128), 7: (128, 128), 10: (128, 256), 12: (256, 256), 14: (256, 256),
        17: (256, 512), 19: (512, 512), 21: (512, 512), 24: (512, 512), 26: (512, 512), 28: (512, 512),
    },
}  # fmt: skip


@pytest.mark.parametrize("depth", [11, 16])
def test_names_and_shapes_are_torchvisions(depth):
    model = vgg(depth, outputs=("C1", "C2", "C3", "C4", "C5"))
    found = {w.path: tuple(w.shape) for w in model.weights if w.name == "kernel"}
    assert found == {f"features_{i}/kernel": (3, 3, *c) for i, c in CONVOLUTIONS[depth].items()}
    assert [level.shape[-1] for level in model.output.values()] == [128, 256, 512, 512, 512]
    shapes = model.compute_output_spec(keras.KerasTensor((1, 70, 64, 3)))
    assert [shapes[f"C{i}"].shape[1:3] for i in range(1, 6)] == [(70 >> i, 64 >> i) for i in range(1, 6)]


def test_norms_are_counted_and_blocks_left_out():
    model = vgg("A", norm="batch", outputs=("C2",))
    names = [layer.name for layer in model.layers if layer.weights]
    # vgg11_bn: 0 conv, 1 norm, 4 conv, 5 norm, 8, 9, 11, 12
    assert names == [f"features_{i}" for i in (0, 1, 4, 5, 8, 9, 11, 12)]
    for arguments, message in (({"depth": 12}, "depth must"), ({"outputs": ("C6",)}, "outputs must"),
                               ({"padding": "same"}, "padding must")):  # fmt: skip
        with pytest.raises(ValueError, match=message):
            vgg(**arguments)


def test_weights_of_torch_give_torchs_values():
    """The first two blocks against loops over torch's layout."""
    rng = np.random.default_rng(0)
    arrays, size = {}, {0: (64, 3), 3: (128, 64)}
    for i, shape in size.items():
        arrays[f"features.{i}.weight"] = (rng.standard_normal((*shape, 3, 3)) / 10).astype("float32")
        arrays[f"features.{i}.bias"] = rng.standard_normal(shape[0]).astype("float32")
    model = vgg(11, outputs=("C1",))
    report = load(model, arrays, verbose=False)
    assert not report.missing and not report.skipped
    x = rng.standard_normal((6, 8, 3)).astype("float32")
    value = x.transpose(2, 0, 1)
    for i in size:
        padded = np.pad(value, ((0, 0), (1, 1), (1, 1)))
        kernel = arrays[f"features.{i}.weight"]
        value = sum(
            np.einsum("oi,ihw->ohw", kernel[:, :, u, v], padded[:, u : u + value.shape[1], v : v + value.shape[2]])
            for u in range(3)
            for v in range(3)
        )
        value = np.maximum(value + arrays[f"features.{i}.bias"][:, None, None], 0)
        if i == 0:
            value = value.reshape(64, 3, 2, 4, 2).max(axis=(2, 4))
    np.testing.assert_allclose(model(x[None])["C1"][0], value.transpose(1, 2, 0), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("build", [vgg, resnet])
def test_mirrored_borders_cannot_be_seen_in_an_even_image(build):
    outputs = ("C1", "C2", "C3")
    model = build(11 if build is vgg else 18, padding="symmetric", outputs=outputs)
    image = np.ones((1, 64, 96, 3), "float32") * np.float32([0.3, -1.0, 2.0])
    for name, level in model(image).items():
        level = level.numpy()
        assert np.abs(level).max() > 0
        np.testing.assert_allclose(level, np.broadcast_to(level[:, :1, :1], level.shape), rtol=1e-4, atol=1e-5), name
    with_zeros = build(11 if build is vgg else 18, outputs=outputs)
    with_zeros.set_weights(model.get_weights())
    level = with_zeros(image)["C1"].numpy()
    assert np.ptp(level, axis=(1, 2)).max() > 0.01  # there it can
    np.testing.assert_allclose(level[:, 4:-4, 4:-4], model(image)["C1"][:, 4:-4, 4:-4], atol=1e-5)


def test_the_stem_is_a_level_and_its_weights_are_as_before():
    model, whole = resnet(18, outputs=("C1", "C2", "C4"), padding="symmetric"), resnet(18)
    shapes = model.compute_output_spec(keras.KerasTensor((1, 64, 64, 3)))
    assert {k: v.shape[1:] for k, v in shapes.items()} == {"C1": (32, 32, 64), "C2": (16, 16, 64), "C4": (4, 4, 256)}
    names = [weight.path for weight in model.weights]
    assert names == [weight.path for weight in whole.weights][: len(names)]
    with pytest.raises(ValueError, match="padding must be"):
        resnet(18, padding="reflect")
    with pytest.raises(ValueError, match="deformable"):
        resnet(50, padding="symmetric", deform_stages=("C4",))
