"""From the classifiers of `keras.applications` to the backbones here: ResNet (version 1) and MobileNetV2.

Source: keras, `applications/resnet.py`, `mobilenet_v2.py`, `imagenet_utils.py`.
"""

import re

# A layer there and here; `{}` are the pattern's groups, each number plus its offset.
_LAYERS = (
    (r"conv1_conv", "conv1", ()),
    (r"conv1_bn", "bn1", ()),
    (r"conv(\d)_block(\d+)_0_conv", "layer{}_{}_downsample_0", (-1, -1)),
    (r"conv(\d)_block(\d+)_0_bn", "layer{}_{}_downsample_1", (-1, -1)),
    (r"conv(\d)_block(\d+)_(\d)_conv", "layer{}_{}_conv{}", (-1, -1, 0)),
    (r"conv(\d)_block(\d+)_(\d)_bn", "layer{}_{}_bn{}", (-1, -1, 0)),
    (r"Conv1", "features_0_0", ()),
    (r"bn_Conv1", "features_0_1", ()),
    (r"expanded_conv_depthwise", "features_1_conv_0_0", ()),
    (r"expanded_conv_depthwise_BN", "features_1_conv_0_1", ()),
    (r"expanded_conv_project", "features_1_conv_1", ()),
    (r"expanded_conv_project_BN", "features_1_conv_2", ()),
    (r"block_(\d+)_expand", "features_{}_conv_0_0", (1,)),
    (r"block_(\d+)_expand_BN", "features_{}_conv_0_1", (1,)),
    (r"block_(\d+)_depthwise", "features_{}_conv_1_0", (1,)),
    (r"block_(\d+)_depthwise_BN", "features_{}_conv_1_1", (1,)),
    (r"block_(\d+)_project", "features_{}_conv_2", (1,)),
    (r"block_(\d+)_project_BN", "features_{}_conv_3", (1,)),
    (r"Conv_1", "features_18_0", ()),
    (r"Conv_1_bn", "features_18_1", ()),
)
_NORM = ("gamma", "beta", "moving_mean", "moving_variance")


def is_keras_applications(names):
    """Whether names are those of a ResNet or MobileNetV2 of `keras.applications`.

    Args:
        names: names of arrays, as `read_h5` gives them.

    Returns:
        bool. False for ResNetV2, whose blocks put the norm first: it has no `conv1_bn`.
    """
    return is_keras_resnet(names) or ("Conv1/kernel" in names and "bn_Conv1/gamma" in names)


def is_keras_resnet(names):
    """Whether names are those of a ResNet (version 1) of `keras.applications`; see `is_keras_applications`."""
    return "conv1_conv/kernel" in names and "conv1_bn/gamma" in names


def translate_keras_applications(model, arrays):
    """Renames arrays of `keras.applications` to paths of a backbone's weights, in Keras's own layout.

    ResNet's convolutions have biases before their norms; here they have none, and a bias is taken from the norm's mean
    instead: gamma * (x + bias - mean) = gamma * (x - (mean - bias)). Its first convolution sees blue, green, red, and
    here red, green, blue. MobileNetV2 needs neither.

    Args:
        model: built backbone, or a detector with one.
        arrays: dict from names as `"conv1_conv/kernel"` to arrays.

    Returns:
        `(arrays, origins)`: a dict from paths of the model to arrays, those without a place in it under their own
        names; and a dict from these paths to a tuple of the names that made them.
    """
    paths = {weight.path for weight in model.weights}
    translated, origins = {}, {}
    for name, array in arrays.items():
        layer, variable = _split(name)
        norm = layer.replace("_conv", "_bn") if is_keras_resnet(arrays) else None
        mean = f"{norm}/moving_mean"
        if variable == "bias" and mean in arrays and _target(mean, paths):
            continue  # goes into the mean
        target = _target(name, paths) or name
        translated[target], origins[target] = array, (name,)
        if variable == "moving_mean" and is_keras_resnet(arrays):
            bias = f"{layer.replace('_bn', '_conv')}/bias"
            if target in paths and bias in arrays:
                translated[target], origins[target] = array - arrays[bias], (name, bias)
        if layer == "conv1_conv" and variable == "kernel":
            translated[target] = array[:, :, ::-1]
    return translated, origins


def _split(name):
    layer, _, variable = name.rpartition("/")
    return layer.rpartition("/")[2] or layer, variable.replace("depthwise_kernel", "kernel")


def _target(name, paths):
    """The model's path for a name, or `None` without one; a norm has one where its four vectors do."""
    layer, variable = _split(name)
    for pattern, place, offsets in _LAYERS:
        found = re.fullmatch(pattern, layer)
        if found is not None:
            place = place.format(*(int(group) + offset for group, offset in zip(found.groups(), offsets)))
            wanted = [f"{place}/{leaf}" for leaf in (_NORM if variable in _NORM else (variable,))]
            return f"{place}/{variable}" if paths.issuperset(wanted) else None
    return None
