"""Keeping the first stages of a backbone as they are."""

import re

import gin
import keras

from panet_tf.backbones.strides import level_of_layers


@gin.register(module="panet_tf")
def freeze(model, stages):
    """Makes the first stages of a backbone untrainable; their batch norms run on recorded statistics.

    Stages are counted as detectron2's FREEZE_AT counts them: 1 is the stem (all that works at stride 2 or less), 2 adds
    what leads to C2 (`layer1` of a ResNet), up to 5. The detectors of the papers freeze 2. Layers above are left as
    they are. Call it before `compile`.

    Args:
        model: functional model with outputs `"C2"`.. `"C5"`, from `resnet`, `senet154`, `mobilenet_v2`,
            `adapt_backbone` or another function of this folder. Residual networks may have fewer outputs: their stages
            are known by name.
        stages: int from 0 (nothing) to 5 (everything).

    Returns:
        The same model.

    Raises:
        ValueError: for other numbers.

    Example:
        >>> backbone = freeze(resnet(50, norm="batch", weights="imagenet"), 2)
    """
    if stages not in range(6):
        raise ValueError(f"stages must be from 0 to 5, received {stages}.")
    stage_of = _stages_by_name(model) or _stages_by_output(model)
    for layer in model.layers:
        if stage_of[layer.name] <= stages:
            layer.trainable = False
    return model


def freeze_whole(layer):
    """Makes a layer and all that is in it untrainable.

    A layer from a file may be frozen while its sublayers are not: files keep its flag, but not those of the layers that
    its constructor makes. Setting False once more would do nothing, as Keras passes over attributes that have the value
    already.

    Args:
        layer: Keras layer or model.

    Example:
        >>> freeze_whole(model.mask_head)
    """
    layer.trainable = True
    layer.trainable = False


def _stages_by_name(model):
    """Stage of each layer of a residual network, `layer3_0_conv1` of the fourth; nothing for other networks."""
    found = {layer.name: re.match(r"layer(\d)_", layer.name) for layer in model.layers}
    if not any(name.startswith("layer1_0_") for name in found):
        return None
    return {name: int(match[1]) + 1 if match else 1 for name, match in found.items()}


def _stages_by_output(model):
    """Stage of each layer by the first level that needs it, and of the stem by its stride."""
    stride_levels = level_of_layers(model)
    stage_of = {}
    for level in ("C5", "C4", "C3", "C2"):
        if level in model.output:
            for layer in keras.Model(model.inputs[0], model.output[level]).layers:
                stage_of[layer.name] = int(level[1])
    stem = {name for name, stage in stage_of.items() if stage == 2 and stride_levels.get(name, 2) < 2}
    return {layer.name: 1 if layer.name in stem else stage_of.get(layer.name, 5) for layer in model.layers}
