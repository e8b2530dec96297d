"""How far each layer of a network has shrunk the image."""

import math

import keras


def level_of_layers(model, side=256):
    """The pyramid level of each layer: n where the output's stride is 2^n.

    Args:
        model: functional model of one image input, channels last.
        side: int, side of the image that strides are measured on where the model takes any size.

    Returns:
        dict from layer names to ints, in the model's order, of the layers that give one map (batch, height, width,
        channels) of ceil(side / 2^n) cells; maps with a margin, as padding makes them, are left out.

    Example:
        >>> level_of_layers(resnet(50))["layer1_0_conv1"]
        2
    """
    images = model.inputs[0]
    shape = tuple(side if size is None else size for size in images.shape[1:3])
    layers = [layer for layer in model.layers if _gives_one_map(layer)]
    probe = keras.Model(model.inputs, [layer.output for layer in layers])
    outputs = probe.compute_output_spec(keras.KerasTensor((1, *shape, images.shape[3]), images.dtype))
    levels = {}
    for layer, output in zip(layers, keras.tree.flatten(outputs)):
        level = round(math.log2(shape[0] / max(output.shape[1], 1)))
        if all(-(-size // 2**level) == cells for size, cells in zip(shape, output.shape[1:3])):
            levels[layer.name] = level
    return levels


def _gives_one_map(layer):
    output = getattr(layer, "output", None) if len(layer._inbound_nodes) == 1 else None
    return isinstance(output, keras.KerasTensor) and len(output.shape) == 4
