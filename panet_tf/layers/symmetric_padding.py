"""Padding by the mirror image of the border."""

import gin
import keras
import tensorflow as tf


@gin.register(module="panet_tf")
@keras.saving.register_keras_serializable("panet_tf")
class SymmetricPadding(keras.layers.Layer):
    """Pads height and width by their mirror image, the border repeated: `cba|abc`.

    A network that is trained on patches and run on whole images sees zeros at the border of every patch but hardly ever
    in images; mirrored content is nearer to what it will see (Lin's thesis, section 3.5, "reflective-padding").

    Args:
        padding: int, cells on each side. Defaults to 1.
        pass_gradient: bool, whether the gradients of padded cells reach the cells that they mirror. Defaults to False,
            as in the released DeepMask, where padded cells are constants to the backward pass.

    Input: float (batch, height, width, channels), height and width at least `padding`.
    Output: float (batch, height + 2 padding, width + 2 padding, channels).

    Raises:
        ValueError: for a negative padding.

    Example:
        >>> SymmetricPadding(padding=1)(tf.ones((1, 4, 4, 8))).shape
        TensorShape([1, 6, 6, 8])

    Source: facebookresearch/deepmask, `SpatialSymmetricPadding.lua`.
    """

    def __init__(self, *, padding=1, pass_gradient=False, **kwargs):
        super().__init__(**kwargs)
        if padding < 0:
            raise ValueError(f"padding must be at least 0, received {padding}.")
        self.padding = int(padding)
        self.pass_gradient = pass_gradient

    def call(self, inputs):
        if not self.padding:
            return inputs
        if self.pass_gradient:
            return self._pad(inputs)
        return self._pad_without_gradient(inputs)

    def _pad(self, x):
        pad = (self.padding, self.padding)
        return tf.pad(x, ((0, 0), pad, pad, (0, 0)), mode="SYMMETRIC")

    def _pad_without_gradient(self, inputs):
        @tf.custom_gradient
        def padded(x):
            def gradient(upstream):
                p = self.padding
                return upstream[:, p:-p, p:-p]

            return self._pad(x), gradient

        return padded(inputs)

    def compute_output_shape(self, input_shape):
        sizes = (None if size is None else size + 2 * self.padding for size in input_shape[1:3])
        return (input_shape[0], *sizes, input_shape[3])

    def get_config(self):
        return {**super().get_config(), "padding": self.padding, "pass_gradient": self.pass_gradient}
