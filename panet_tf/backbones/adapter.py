"""Other people's networks as backbones."""

import gin
import keras

from panet_tf.backbones.strides import level_of_layers

LEVELS = ("C2", "C3", "C4", "C5")


@gin.register(module="panet_tf")
def adapt_backbone(model, outputs=None, *, frozen_norms=False, name=None):
    """Makes a backbone of a functional model from keras-cv, keras-hub, `keras.applications` or anywhere.

    The levels are, in this order: the layers that `outputs` names; keras-hub's `pyramid_outputs`; keras-cv's
    `pyramid_level_inputs`; else the last layer at each of the strides 4, 8, 16 and 32. Layers and weights are shared
    with `model`. What the model wants of its images (range, mean, padding) stays as it is: see its own page. Neither
    keras-cv nor keras-hub is imported here.

    Args:
        model: functional `keras.Model` of one input (batch, height, width, channels), best of any size (None, None,
            3).
        outputs: optional dict from `"C2"`.. `"C5"` to names of layers.
        frozen_norms: bool, whether batch norms are kept as they are: recorded statistics, scales and shifts that do not
            train. Small batches want it. Defaults to False.
        name: str. Defaults to the model's.

    Returns:
        Functional `keras.Model` from images to a dict of `"C2"`.. `"C5"`.

    Raises:
        ValueError: if a level is missing, a layer unknown, or a stride another than its level's.

    Example:
        >>> adapt_backbone(keras.applications.EfficientNetV2B0(include_top=False, input_shape=(None, None, 3)))
    """
    if not getattr(model, "inputs", None) or len(model.inputs) != 1 or len(model.inputs[0].shape) != 4:
        raise ValueError(f"The model must be functional with one image input, received {model}.")
    strides = level_of_layers(model)
    if outputs is not None:
        tensors = _named(model, outputs)
    elif hasattr(model, "pyramid_outputs"):
        tensors = {f"C{level[1:]}": tensor for level, tensor in model.pyramid_outputs.items()}
    elif hasattr(model, "pyramid_level_inputs"):
        tensors = _named(model, {f"C{level[1:]}": layer for level, layer in model.pyramid_level_inputs.items()})
    else:
        last = {f"C{level}": layer for layer, level in strides.items()}
        tensors = _named(model, {level: last[level] for level in LEVELS if level in last})
    missing = [level for level in LEVELS if level not in tensors]
    if missing:
        raise ValueError(f"A backbone must have levels {LEVELS}, {missing} are missing: name layers in `outputs`.")
    adapted = keras.Model(model.inputs[0], {level: tensors[level] for level in LEVELS}, name=name or model.name)
    _check_strides(adapted)
    for layer in adapted.layers:
        if frozen_norms and isinstance(layer, keras.layers.BatchNormalization):
            layer.trainable = False
    return adapted


def _named(model, outputs):
    known = {layer.name: layer for layer in model.layers}
    unknown = {level: layer for level, layer in outputs.items() if layer not in known}
    if unknown:
        raise ValueError(f"outputs must name layers of {model.name}, received {unknown}.")
    return {level: known[layer].output for level, layer in outputs.items()}


def _check_strides(model):
    shape = model.inputs[0].shape
    sides = tuple(256 if size is None else size for size in shape[1:3])
    found = model.compute_output_spec(keras.KerasTensor((1, *sides, shape[3]), model.inputs[0].dtype))
    for level in LEVELS:
        stride = round(sides[0] / found[level].shape[1])
        if stride != 2 ** int(level[1]):
            raise ValueError(f"{level} must have stride {2 ** int(level[1])}, received a layer of stride {stride}.")
