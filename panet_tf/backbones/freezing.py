"""Keeping the first stages of a backbone as they are."""

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
        model: functional model with outputs `"C2"`.. `"C5"`, from `resnet`, `mobilenet_v2` or `adapt_backbone`.
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
    stride_levels = level_of_layers(model)
    stage_of = {}
    for level in ("C5", "C4", "C3", "C2"):
        if level in model.output:
            for layer in keras.Model(model.inputs[0], model.output[level]).layers:
                stage_of[layer.name] = int(level[1])
    for layer in model.layers:
        stage = stage_of.get(layer.name, 5)
        if stage == 2 and stride_levels.get(layer.name, 2) < 2:
            stage = 1
        if stage <= stages:
            layer.trainable = False
    return model
