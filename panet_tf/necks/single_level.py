"""One level for everything: what models without a pyramid see."""

import gin
import keras

from panet_tf.layers.conv_block import ConvBlock


@gin.register(module="panet_tf")
@keras.saving.register_keras_serializable("panet_tf")
class SingleLevel(keras.layers.Layer):
    """The coarsest level of a backbone alone, or a named one, reduced by a 1x1 convolution (C5 models of Mask R-CNN).

    Args:
        level: name of the level, or `None` for the coarsest. Defaults to `None`.
        filters: int, channels of a 1x1 convolution with ReLU, or `None` for the level as it is. Defaults to 256.
        norm: `None`, `"frozen_bn"`, `"batch"`, `"sync_bn"` or `"group"`, after the convolution. Defaults to `None`.

    Input: dict of levels fine to coarse, `"C2"`.., float (batch, height / 2^n, width / 2^n, channels).
    Output: dict of the one level.

    Raises:
        ValueError: for an unknown norm, or when the level is not there.

    Example:
        >>> SingleLevel(level="C5")(backbone(images)).keys()
        dict_keys(['C5'])
    """

    def __init__(self, *, level=None, filters=256, norm=None, **kwargs):
        super().__init__(**kwargs)
        self.level = level
        self.filters = filters
        self.norm_name = norm
        self.conv = None
        if filters is not None:
            self.conv = ConvBlock(filters=filters, kernel_size=1, norm=norm, name="conv", dtype=self.dtype_policy)

    def _name(self, levels):
        if self.level is not None and self.level not in levels:
            raise ValueError(f"level must be one of {tuple(levels)}, received {self.level!r}.")
        return self.level or max(levels, key=lambda name: int(name[1:]))

    def build(self, input_shape):
        if self.conv is not None and not self.conv.built:
            self.conv.build(input_shape[self._name(input_shape)])

    def call(self, levels, training=None):
        name = self._name(levels)
        return {name: levels[name] if self.conv is None else self.conv(levels[name], training=training)}

    def get_config(self):
        return {**super().get_config(), "level": self.level, "filters": self.filters, "norm": self.norm_name}
