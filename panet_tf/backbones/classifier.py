"""The end of a classification network, behind a backbone."""

import gin
import keras


@gin.register(module="panet_tf")
def classifier(backbone, num_classes=1000, *, dropout=0.0, name=None):
    """A backbone as it was trained on ImageNet: mean of the coarsest level, dropout, one layer (ResNet, section 3.3).

    Detectors have no use for it; it serves pre-training, and comparing sizes with published ones.

    Args:
        backbone: functional model from images to a dict of levels, fine to coarse.
        num_classes: int. Defaults to ImageNet's 1000.
        dropout: float, share of the features that training leaves out; SENet-154 has 0.2. Defaults to 0.
        name: str. Defaults to the backbone's with `_classifier`.

    Returns:
        Functional `keras.Model`: images to logits, float32 (batch, num_classes). Layers are shared with `backbone`; the
        last is called `fc`.

    Example:
        >>> model = classifier(resnet(50, norm="batch"))
        >>> model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    """
    x = list(backbone.output.values())[-1]
    x = keras.layers.GlobalAveragePooling2D(name="avgpool")(x)
    if dropout:
        x = keras.layers.Dropout(dropout, name="dropout")(x)
    logits = keras.layers.Dense(num_classes, name="fc", dtype="float32")(x)
    return keras.Model(backbone.inputs[0], logits, name=name or f"{backbone.name}_classifier")
