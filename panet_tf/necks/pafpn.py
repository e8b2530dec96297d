"""Path aggregation: a bottom-up path over a feature pyramid."""

import gin
import keras

from panet_tf.layers.conv_block import ConvBlock
from panet_tf.layers.norms import check_norm


@gin.register(module="panet_tf")
@keras.saving.register_keras_serializable("panet_tf")
class PAFPN(keras.layers.Layer):
    """Bottom-up path augmentation over a feature pyramid (PANet, section 3.1).

    N2 is P2 itself; each further level is `relu(norm(conv3x3(relu(norm(conv3x3/2(N_i))) + P_(i+1))))`, so that
    low-level localisation reaches the top through fewer than ten layers. The refined N_i, not the sum, feeds the next
    level.

    Args:
        filters: int, channels of every level, those of the input among them. Defaults to 256.
        norm: `None`, `"frozen_bn"`, `"batch"`, `"sync_bn"` or `"group"`, after each convolution. Defaults to `None`.
        use_bias: bool, of the convolutions. Defaults to True without a norm, False with one; the authors' release has
            biases and group norm.
        activation: name of a Keras activation after each convolution and norm, or `None`. Defaults to `"relu"`, the
            paper's; mmdetection has none, and the authors' release none without a norm.
        refined: bool, whether the refined N_i feeds the next level, as in the paper. Defaults to True; in mmdetection
            the sum does, before its convolution.
        levels: names of the levels that the path climbs, fine to coarse. Others in the input are ignored. Defaults to
            P2 to P5.

    Input: dict of `"P2"`.. `"P5"`, float (batch, ceil(height / 2^n), ceil(width / 2^n), filters).
    Output: dict of `"N2"`.. `"N5"` of the same shapes and `"N6"`, every second cell of N5.

    Raises:
        ValueError: for an unknown norm, or levels that do not follow each other.

    Example:
        >>> levels = PAFPN(norm="group")(FPN(norm="group")(backbone(images)))
    """

    def __init__(
        self,
        *,
        filters=256,
        norm=None,
        use_bias=None,
        activation="relu",
        refined=True,
        levels=("P2", "P3", "P4", "P5"),
        **kwargs,
    ):
        super().__init__(**kwargs)
        check_norm(norm)
        self.filters = filters
        self.norm = norm
        self.use_bias = norm is None if use_bias is None else use_bias
        keras.activations.get(activation)
        self.activation = activation
        self.refined = refined
        self.levels = tuple(levels)
        self.numbers = [int(name[1:]) for name in self.levels]
        if not self.numbers or self.numbers != list(range(self.numbers[0], self.numbers[-1] + 1)):
            raise ValueError(f"levels must follow each other, fine to coarse, received {self.levels}.")
        self.downs = {f"N{n}": self._conv(f"down{n}", strides=2) for n in self.numbers[1:]}
        self.convs = {f"N{n}": self._conv(f"output{n}", strides=1) for n in self.numbers[1:]}

    def _conv(self, name, strides):
        return ConvBlock(
            filters=self.filters,
            strides=strides,
            norm=self.norm,
            activation=None,  # applied in `call`: it stays a setting of the path
            use_bias=self.use_bias,
            kernel_initializer="lecun_uniform",  # uniform within sqrt(3 / fan in): Caffe2's XavierFill
            name=name,
            dtype=self.dtype_policy,
        )

    def build(self, input_shape):
        for conv in (*self.downs.values(), *self.convs.values()):
            if not conv.built:
                conv.build((None, None, None, self.filters))

    def call(self, levels, training=None):
        activate = keras.activations.get(self.activation)
        below = levels[self.levels[0]]
        outputs = {f"N{self.numbers[0]}": below}
        for n, name in zip(self.numbers[1:], self.levels[1:]):
            x = activate(self.downs[f"N{n}"](below, training=training)) + levels[name]
            refined = outputs[f"N{n}"] = activate(self.convs[f"N{n}"](x, training=training))
            below = refined if self.refined else x
        outputs[f"N{self.numbers[-1] + 1}"] = refined[:, ::2, ::2]
        return outputs

    def get_config(self):
        return {
            **super().get_config(),
            "filters": self.filters,
            "norm": self.norm,
            "use_bias": self.use_bias,
            "activation": self.activation,
            "refined": self.refined,
            "levels": self.levels,
        }
