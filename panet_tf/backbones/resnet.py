"""Residual networks."""

import gin
import keras

from panet_tf.layers.norms import check_norm, make_norm
from panet_tf.weights.loading import load

_BASIC = {18: (2, 2, 2, 2), 34: (3, 4, 6, 3)}
_BOTTLENECK = {50: (3, 4, 6, 3), 101: (3, 4, 23, 3), 152: (3, 8, 36, 3)}


@gin.register(module="panet_tf")
def resnet(depth=50, *, norm="frozen_bn", stride_in="3x3", epsilon=1e-5, weights=None, name=None):
    """ResNet (He et al., 2016, section 3.3 and Table 1) from images to four levels.

    All padding is symmetric, as in torch. Layers are called as in torchvision, with "_" for ".": `layer1_0_conv1`.
    Weights expect images in RGB, minus (123.675, 116.28, 103.53), over (58.395, 57.12, 57.375).

    Args:
        depth: 18 or 34 (basic blocks), 50, 101 or 152 (bottlenecks). Defaults to 50.
        norm: `"frozen_bn"`, which is of use with `weights` only; `"batch"`, `"sync_bn"`, `"group"`, or `None` for
            convolutions with biases. Defaults to `"frozen_bn"`.
        stride_in: convolution of a bottleneck that strides, `"3x3"` (torchvision; "ResNet 1.5") or `"1x1"` (the
            paper, and the original Caffe weights). Basic blocks stride in their first one. Defaults to `"3x3"`.
        epsilon: float, of the norm. Defaults to 1e-5; 0 for torchvision's published COCO detectors.
        weights: file, or `"imagenet"` or `"imagenet_v2"` for torchvision's two recipes (downloaded). Defaults to
            `None`, He's initialisation.
        name: str. Defaults to `"resnet50"` etc.

    Returns:
        Functional `keras.Model`: images float (batch, height, width, 3) to a dict of `"C2"`.. `"C5"`, float
        (batch, ceil(height / 2^n), ceil(width / 2^n), channels), 256 to 2048 channels (64 to 512 for 18 and 34).

    Raises:
        ValueError: for an unknown depth, norm or `stride_in`.

    Example:
        >>> backbone = resnet(50, weights="imagenet")
    """
    if depth not in _BASIC | _BOTTLENECK:
        raise ValueError(f"depth must be one of {sorted(_BASIC | _BOTTLENECK)}, received {depth}.")
    if stride_in not in ("3x3", "1x1"):
        raise ValueError(f'stride_in must be "3x3" or "1x1", received {stride_in!r}.')
    check_norm(norm)

    def conv(x, filters, size, stride, conv_name, norm_name, pad=False):
        if size > 1 and (pad or stride > 1):
            x = keras.layers.ZeroPadding2D(size // 2, name=f"{conv_name}_pad")(x)
        x = keras.layers.Conv2D(
            filters,
            size,
            strides=stride,
            padding="valid" if pad or stride > 1 else "same",
            use_bias=norm is None,
            kernel_initializer=keras.initializers.VarianceScaling(2.0, "fan_out", "untruncated_normal"),
            name=conv_name,
        )(x)
        layer = make_norm(norm, name=norm_name, epsilon=epsilon)
        return x if layer is None else layer(x)

    def block(x, filters, stride, path):
        if depth in _BASIC:
            plan, width = ((filters, 3, stride), (filters, 3, 1)), filters
        else:
            strides = (stride, 1) if stride_in == "1x1" else (1, stride)
            plan, width = ((filters, 1, strides[0]), (filters, 3, strides[1]), (4 * filters, 1, 1)), 4 * filters
        shortcut = x
        if stride > 1 or x.shape[-1] != width:
            shortcut = conv(x, width, 1, stride, f"{path}_downsample_0", f"{path}_downsample_1")
        for i, (channels, size, step) in enumerate(plan, start=1):
            if i > 1:
                x = keras.layers.ReLU(name=f"{path}_relu{i - 1}")(x)
            # Where a bottleneck strides, both places are ready for it, so that an importer can move it.
            pad = stride > 1 and depth in _BOTTLENECK
            x = conv(x, channels, size, step, f"{path}_conv{i}", f"{path}_bn{i}", pad)
        x = keras.layers.Add(name=f"{path}_add")([x, shortcut])
        return keras.layers.ReLU(name=f"{path}_relu{len(plan)}")(x)

    images = keras.Input((None, None, 3), name="images")
    x = keras.layers.ReLU(name="relu")(conv(images, 64, 7, 2, "conv1", "bn1"))
    x = keras.layers.ZeroPadding2D(1, name="maxpool_pad")(x)  # nothing is below zero here, so zeros never win
    x = keras.layers.MaxPooling2D(3, strides=2, name="maxpool")(x)
    levels = {}
    for stage, blocks in enumerate((_BASIC | _BOTTLENECK)[depth], start=1):
        for i in range(blocks):
            x = block(x, 32 * 2**stage, 2 if stage > 1 and i == 0 else 1, f"layer{stage}_{i}")
        levels[f"C{stage + 1}"] = x
    model = keras.Model(images, levels, name=name or f"resnet{depth}")
    if weights is not None:
        load(model, weights, architecture=f"resnet{depth}")
    return model
