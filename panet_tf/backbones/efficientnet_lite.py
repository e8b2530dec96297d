"""EfficientNet-Lite0 from keras-cv."""

import gin

from panet_tf.backbones.adapter import adapt_backbone
from panet_tf.weights.loading import load

_KERNELS = (3, 3, 5, 3, 5, 5, 3)
_BLOCKS = (1, 2, 2, 3, 3, 4, 1)
_CHANNELS = (32, 16, 24, 40, 80, 112, 192, 320)


@gin.register(module="panet_tf")
def efficientnet_lite0(*, frozen_norms=True, weights=None, name="efficientnet_lite0"):
    """EfficientNet-Lite0 of keras-cv as a backbone; the one place that imports keras-cv, and only when called.

    keras-cv keeps the numbers of this network online; they are given here, so that building it needs no network. It
    pads as TensorFlow's `same` does, and expects images in RGB, minus 127, over 128. Source: EfficientNet (Tan and
    Le, 2019), without squeeze and excitation and with ReLU6.

    Args:
        frozen_norms: bool, whether batch norms keep their recorded statistics, scales and shifts. Defaults to True.
        weights: file of torch-named arrays (`_blocks.0._depthwise_conv.weight`, as efficientnet-lite0-57934424) or of
            Keras. Defaults to `None`.
        name: str.

    Returns:
        Functional `keras.Model` from images to a dict of `"C2"`.. `"C5"`: 24, 40, 112 and 1280 channels.

    Raises:
        ImportError: if keras-cv cannot be imported; no other part of the package needs it.

    Example:
        >>> backbone = efficientnet_lite0(weights="efficientnet-lite0-57934424.npz")
    """
    try:
        from keras_cv.models import EfficientNetLiteBackbone
    except Exception as error:  # whatever breaks inside an abandoned package
        raise ImportError(f"efficientnet_lite0 needs keras-cv 0.9, which cannot be imported: {error}") from error
    model = EfficientNetLiteBackbone(
        include_rescaling=False,
        width_coefficient=1.0,
        depth_coefficient=1.0,
        stackwise_kernel_sizes=_KERNELS,
        stackwise_num_repeats=_BLOCKS,
        stackwise_input_filters=_CHANNELS[:-1],
        stackwise_output_filters=_CHANNELS[1:],
        stackwise_expansion_ratios=(1, 6, 6, 6, 6, 6, 6),
        stackwise_strides=(1, 2, 2, 2, 1, 2, 1),
    )
    backbone = adapt_backbone(model, frozen_norms=frozen_norms, name=name)
    if weights is not None:
        load(backbone, weights, rename=keras_cv_name)
    return backbone


def keras_cv_name(name):
    """The keras-cv layer and variable of a torch name: `_blocks.2._bn1.bias` is `block2b_bn.bias`."""
    path, _, leaf = name.rpartition(".")
    outside = {"_conv_stem": "stem_conv", "_bn0": "stem_bn", "_conv_head": "top_conv", "_bn1": "top_bn"}
    if not path.startswith("_blocks."):
        return f"{outside.get(path, path)}.{leaf}"
    _, index, part = path.split(".")
    blocks = [f"block{stage}{chr(97 + i)}_" for stage, count in enumerate(_BLOCKS, start=1) for i in range(count)]
    parts = {
        "_expand_conv": "expand_conv",
        "_bn0": "expand_bn",
        "_depthwise_conv": "dwconv",
        "_bn1": "bn",
        "_project_conv": "project_conv",
        "_bn2": "project_bn",
    }
    return f"{blocks[int(index)]}{parts[part]}.{leaf}"
