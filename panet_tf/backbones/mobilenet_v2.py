"""MobileNetV2."""

import gin
import keras

from panet_tf.layers.norms import check_norm, make_norm
from panet_tf.weights.loading import load

# Expansion, output channels at alpha 1, blocks, stride of the first (MobileNetV2, Table 2).
_STAGES = ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1))
_LEVELS = {"C2": 3, "C3": 6, "C4": 13}


@gin.register(module="panet_tf")
def mobilenet_v2(*, alpha=1.0, norm="frozen_bn", last_conv=True, epsilon=1e-5, weights=None, name="mobilenet_v2"):
    """MobileNetV2 (Sandler et al., 2018, Table 2) from images to four levels, padded as in torchvision.

    Padding is symmetric; Keras's own MobileNetV2 pads bottom and right only, and cannot take torchvision's weights.
    Layers are called as in torchvision, with "_" for ".": `features_1_conv_0_0`. Weights expect images in RGB, minus
    (123.675, 116.28, 103.53), over (58.395, 57.12, 57.375).

    Args:
        alpha: float, factor of all channels, rounded to multiples of 8. Defaults to 1.
        norm: `"frozen_bn"`, which is of use with `weights` only; `"batch"`, `"sync_bn"`, `"group"`, or `None` for
            convolutions with biases. Defaults to `"frozen_bn"`.
        last_conv: bool, whether C5 is the last 1x1 convolution (1280 channels) or the last block (320). Defaults to
            True: torchvision's detectors take it so, and nothing that ImageNet taught is thrown away. False saves 0.4
            million weights here and 0.25 million in an FPN.
        epsilon: float, of the norm. Defaults to 1e-5.
        weights: file, or `"imagenet"` for the weights in this package (alpha 1; kernels in float16). Defaults to
            `None`.
        name: str.

    Returns:
        Functional `keras.Model`: images float (batch, height, width, 3) to a dict of `"C2"`.. `"C5"`: 24, 32, 96 and
        1280 channels at strides 4, 8, 16 and 32.

    Raises:
        ValueError: for an unknown norm.

    Example:
        >>> backbone = mobilenet_v2(weights="imagenet")
    """
    check_norm(norm)

    def finish(x, path, index, active=True):
        layer = make_norm(norm, name=f"{path}_{index}", epsilon=epsilon)
        x = x if layer is None else layer(x)
        return keras.layers.ReLU(max_value=6.0, name=f"{path}_{index + 1}")(x) if active else x

    def conv(x, filters, size, stride, conv_name):
        x, padding = _pad(x, size, stride, conv_name)
        return keras.layers.Conv2D(
            filters,
            size,
            strides=stride,
            padding=padding,
            use_bias=norm is None,
            kernel_initializer=keras.initializers.VarianceScaling(2.0, "fan_out", "untruncated_normal"),
            name=conv_name,
        )(x)

    def depthwise(x, stride, conv_name):
        x, padding = _pad(x, 3, stride, conv_name)
        return keras.layers.DepthwiseConv2D(
            3,
            strides=stride,
            padding=padding,
            use_bias=norm is None,
            depthwise_initializer=keras.initializers.RandomNormal(stddev=(2 / 9) ** 0.5),  # nine inputs to each output
            name=conv_name,
        )(x)

    def block(x, expansion, filters, stride, path):
        shortcut, part = x, 0
        if expansion > 1:
            x = conv(x, expansion * x.shape[-1], 1, 1, f"{path}_conv_0_0")
            x, part = finish(x, f"{path}_conv_0", 1), 1
        x = finish(depthwise(x, stride, f"{path}_conv_{part}_0"), f"{path}_conv_{part}", 1)
        x = conv(x, filters, 1, 1, f"{path}_conv_{part + 1}")
        x = finish(x, f"{path}_conv", part + 2, active=False)
        if stride == 1 and shortcut.shape[-1] == filters:
            x = keras.layers.Add(name=f"{path}_add")([x, shortcut])
        return x

    images = keras.Input((None, None, 3), name="images")
    x = finish(conv(images, _channels(32, alpha), 3, 2, "features_0_0"), "features_0", 1)
    features = [x]
    for expansion, channels, blocks, stride in _STAGES:
        for i in range(blocks):
            x = block(x, expansion, _channels(channels, alpha), stride if i == 0 else 1, f"features_{len(features)}")
            features.append(x)
    levels = {level: features[i] for level, i in _LEVELS.items()}
    if last_conv:
        x = finish(conv(x, _channels(1280, max(1.0, alpha)), 1, 1, "features_18_0"), "features_18", 1)
    levels["C5"] = x
    model = keras.Model(images, levels, name=name)
    if weights is not None:
        load(model, weights, architecture="mobilenet_v2")
    return model


def _pad(x, size, stride, name):
    if stride == 1:
        return x, "same"  # symmetric at stride 1
    return keras.layers.ZeroPadding2D(size // 2, name=f"{name}_pad")(x), "valid"


def _channels(channels, alpha):
    """`channels * alpha`, to the nearest multiple of 8 that is not more than a tenth below."""
    wanted = channels * alpha
    rounded = max(8, int(wanted + 4) // 8 * 8)
    return rounded + 8 if rounded < 0.9 * wanted else rounded
