"""The first layer of a head that sees every region on several levels, and the fusion of the levels."""

import functools

import gin
import keras
import tensorflow as tf

_FUSIONS = {
    "max": lambda levels: functools.reduce(tf.maximum, levels),
    "sum": tf.add_n,
    "prod": lambda levels: functools.reduce(tf.multiply, levels),
}


@gin.register(module="panet_tf")
@keras.saving.register_keras_serializable("panet_tf")
class LevelFusion(keras.layers.Layer):
    """A layer of its own for each level, then the levels fused element by element (PANet, section 3.2).

    Letting a layer adapt each level before fusion is what makes adaptive feature pooling work; fusing first gives
    nothing (Table 4). With one level, this is the layer itself.

    Args:
        layer: Keras layer, whose configuration (not the layer itself) each level gets, with its own initial weights and
            this layer's dtype.
        fusion: `"max"`, `"sum"` or `"prod"`. Defaults to `"max"`.
        fuse: `"after"` the layers, or `"before"` a single one. Defaults to `"after"`.

    Input: tuple of a tensor a level, float (batch, ...), all of one shape.
    Output: what `layer` gives for one of them.

    Raises:
        ValueError: for an unknown option, or for inputs that are no tuple of equal shapes.

    Example:
        >>> first = LevelFusion(layer=ConvBlock(filters=256, name="conv1"))
        >>> x = first((of_n2, of_n3, of_n4, of_n5))
    """

    def __init__(self, *, layer, fusion="max", fuse="after", **kwargs):
        super().__init__(**kwargs)
        if fusion not in _FUSIONS:
            raise ValueError(f"fusion must be one of {tuple(_FUSIONS)}, received {fusion!r}.")
        if fuse not in ("after", "before"):
            raise ValueError(f"fuse must be 'after' or 'before' the first layer, received {fuse!r}.")
        self.fusion = fusion
        self.fuse = fuse
        self.pattern = type(layer), layer.get_config()
        self.layers = [self._copy(layer.name)]

    def _copy(self, name):
        cls, config = self.pattern
        return cls.from_config({**config, "name": name, "dtype": self.dtype_policy})

    def build(self, input_shape):
        if self.built:  # levels' layers are made here: building again would add more of them
            return
        shapes = [tuple(shape) for shape in input_shape] if isinstance(input_shape[0], (tuple, list)) else []
        if not shapes or len(set(shapes)) > 1:
            raise ValueError(
                f"features must be a tuple with a tensor of one shape for each level, received {input_shape}."
            )
        for level in range(1, len(shapes) if self.fuse == "after" else 1):
            self.layers.append(self._copy(f"{self.layers[0].name}_level{level}"))
        for layer in self.layers:
            if not layer.built:
                layer.build(shapes[0])

    def call(self, features, training=None):
        fuse = _FUSIONS[self.fusion]
        if self.fuse == "before":
            return self.layers[0](fuse(features), training=training)
        return fuse([layer(x, training=training) for layer, x in zip(self.layers, features)])

    def get_config(self):
        return {
            **super().get_config(),
            "layer": keras.saving.serialize_keras_object(self.layers[0]),
            "fusion": self.fusion,
            "fuse": self.fuse,
        }

    @classmethod
    def from_config(cls, config):
        layer = keras.saving.deserialize_keras_object(config["layer"])
        return super().from_config({**config, "layer": layer})
