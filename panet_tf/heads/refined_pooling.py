"""A pooling layer and what refines its features, as one pooling layer."""

import gin
import keras


@gin.register(module="panet_tf")
@keras.saving.register_keras_serializable("panet_tf")
class RefinedPooling(keras.layers.Layer):
    """Features of regions, refined for one head alone (SA-FPN + EJ-Head, Table 5: each branch has its refinement).

    Args:
        pooling: layer from (levels, rois) to a tuple of features.
        refinement: layer from that tuple to a tuple of features.

    Call arguments: `levels`, dict of levels; `rois`, float32 (B, R, 4), yxyx in network pixels.

    Output: tuple of features.

    Example:
        >>> RefinedPooling(pooling=FPNLevelPooling(output_size=7), refinement=BoundaryRefinement())
    """

    def __init__(self, *, pooling, refinement, **kwargs):
        super().__init__(autocast=False, **kwargs)
        self.pooling = pooling
        self.refinement = refinement

    def build(self, levels_shape, rois_shape=None):
        """Nothing to do: the first call builds the refinement, of the shapes that pooling gives."""

    def call(self, levels, rois, training=None):
        return self.refinement(self.pooling(levels, rois), training=training)

    def get_config(self):
        parts = {name: keras.saving.serialize_keras_object(getattr(self, name)) for name in ("pooling", "refinement")}
        return super().get_config() | parts

    @classmethod
    def from_config(cls, config):
        parts = {name: keras.saving.deserialize_keras_object(config[name]) for name in ("pooling", "refinement")}
        return cls(**config | parts)
