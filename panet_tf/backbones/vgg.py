"""Plain stacks of 3x3 convolutions."""

import gin
import keras

from panet_tf.layers.norms import check_norm, make_norm
from panet_tf.layers.symmetric_padding import SymmetricPadding
from panet_tf.weights.loading import load

_BLOCKS = {  # channels of each block's convolutions
    11: ((64,), (128,), (256,) * 2, (512,) * 2, (512,) * 2),
    13: ((64,) * 2, (128,) * 2, (256,) * 2, (512,) * 2, (512,) * 2),
    16: ((64,) * 2, (128,) * 2, (256,) * 3, (512,) * 3, (512,) * 3),
    19: ((64,) * 2, (128,) * 2, (256,) * 4, (512,) * 4, (512,) * 4),
}
_LETTERS = {"A": 11, "B": 13, "D": 16, "E": 19}
LEVELS = ("C1", "C2", "C3", "C4", "C5")


@gin.register(module="panet_tf")
def vgg(depth=16, *, norm=None, padding="zeros", outputs=("C1", "C2", "C3", "C4"), weights=None, name=None):
    """VGG (Simonyan and Zisserman, 2015, Table 1) from images to five levels, without its fully-connected layers.

    A level is the last convolution before a pooling, named by its stride: `"C4"`, at stride 16, is conv5, what Fast
    R-CNN pools regions from and where DeepMask's trunk ends; `"C5"` is what the fifth pooling leaves. Layers are called
    as in torchvision, with "_" for ".": `features_0`. Weights expect images in RGB, minus (123.675, 116.28, 103.53),
    over (58.395, 57.12, 57.375).

    Args:
        depth: 11, 13, 16 or 19 (`"A"`, `"B"`, `"D"`, `"E"`), layers with weights, three of them fully-connected ones
            that are not here: VGG-A has 8 convolutions. Defaults to 16.
        norm: `None` as in the paper, `"frozen_bn"`, `"batch"`, `"sync_bn"` or `"group"` after each convolution; batch
            norms are those of torchvision's `vgg16_bn`. Defaults to `None`.
        padding: `"zeros"` or `"symmetric"`, as in `resnet`. Defaults to `"zeros"`.
        outputs: names of the levels to return; blocks beyond the last of them are left out. Defaults to C1 to C4.
        weights: file, or `"imagenet"` for torchvision's (11 and 16; downloaded). Defaults to `None`, He's
            initialisation.
        name: str. Defaults to `"vgg16"`, `"vgg16_bn"` etc.

    Returns:
        Functional `keras.Model`: images float (batch, height, width, 3) to a dict of levels, float
        (batch, floor(height / 2^n), floor(width / 2^n), channels), 128 to 512 channels.

    Raises:
        ValueError: for an unknown depth, norm, padding or level.

    Example:
        >>> backbone = vgg("A", weights="imagenet", padding="symmetric")
    """
    depth = _LETTERS.get(depth, depth)
    if depth not in _BLOCKS:
        raise ValueError(f"depth must be one of {sorted(_BLOCKS)} or of {sorted(_LETTERS)}, received {depth!r}.")
    unknown = [level for level in outputs if level not in LEVELS]
    if unknown or not outputs:
        raise ValueError(f"outputs must be of {LEVELS}, received {tuple(outputs)}.")
    if padding not in ("zeros", "symmetric"):
        raise ValueError(f'padding must be "zeros" or "symmetric", received {padding!r}.')
    check_norm(norm)
    last = max(LEVELS.index(level) for level in outputs)
    images = x = keras.Input((None, None, 3), name="images")
    levels, number = {}, 0  # torchvision counts convolutions, norms, activations and poolings
    for block, channels in enumerate(_BLOCKS[depth]):
        for filters in channels:
            x = _conv(x, filters, number, norm, padding)
            number += 1 + (norm is not None)
            x = keras.layers.ReLU(name=f"features_{number}")(x)
            number += 1
        if block:
            levels[f"C{block}"] = x
        if block == last + 1:
            break
        x = keras.layers.MaxPooling2D(2, name=f"features_{number}")(x)
        number += 1
    else:
        levels["C5"] = x
    architecture = f"vgg{depth}" + ("_bn" if norm in ("frozen_bn", "batch", "sync_bn") else "")
    chosen = {level: levels[level] for level in LEVELS if level in outputs}
    model = keras.Model(images, chosen, name=name or architecture)
    if weights is not None:
        load(model, weights, architecture=architecture)
    return model


def _conv(x, filters, number, norm, padding):
    name = f"features_{number}"
    if padding == "symmetric":
        x = SymmetricPadding(padding=1, name=f"{name}_pad")(x)
    x = keras.layers.Conv2D(
        filters,
        3,
        padding="same" if padding == "zeros" else "valid",
        kernel_initializer=keras.initializers.VarianceScaling(2.0, "fan_out", "untruncated_normal"),
        name=name,
    )(x)
    layer = make_norm(norm, name=f"features_{number + 1}")
    return x if layer is None else layer(x)
