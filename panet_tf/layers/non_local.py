"""Non-local block: every cell of a map sees every other."""

import gin
import keras
import tensorflow as tf

from panet_tf.layers.norms import check_norm, make_norm

PAIRS = ("embedded_gaussian", "gaussian", "dot_product", "concatenation")


@gin.register(module="panet_tf")
@keras.saving.register_keras_serializable("panet_tf")
class NonLocalBlock(keras.layers.Layer):
    """Adds to each cell a mean of all cells, weighed by how the two go together (Wang et al., 2018, section 3).

    `x + norm(w(sum_j f(x_i, x_j) g(x_j)))`, the sum normalised over j. The block starts as the identity, so that it may
    go into a network with weights: the norm's scale starts at zero, or `w` does where the norm has no scale to
    train.

    Args:
        filters: int, channels inside. Defaults to `None`, half the input's.
        pair: `f`, `"embedded_gaussian"` (softmax of products of two embeddings), `"gaussian"` (of the cells
            themselves), `"dot_product"` (the products, over the number of cells) or `"concatenation"` (ReLU of a linear
            form of both embeddings). Defaults to `"embedded_gaussian"`.
        subsample: bool, whether a 2x2 max pooling leaves a quarter of the cells j. Defaults to False.
        norm: `None`, `"frozen_bn"`, `"batch"`, `"sync_bn"` or `"group"`, behind `w`. Defaults to the paper's
            `"batch"`.

    Input: float (batch, height, width, channels).
    Output: of the same shape. Weights of pairs are float32 under any policy; memory grows with the square of the cells,
        so it belongs on coarse levels (70 MB for 50 x 84 cells).

    Raises:
        ValueError: for an unknown pair or norm.

    Example:
        >>> x = NonLocalBlock(norm="sync_bn")(tf.ones((1, 50, 84, 1024)))
    """

    def __init__(self, *, filters=None, pair="embedded_gaussian", subsample=False, norm="batch", **kwargs):
        super().__init__(**kwargs)
        if pair not in PAIRS:
            raise ValueError(f"pair must be one of {PAIRS}, received {pair!r}.")
        check_norm(norm)
        self.filters = filters
        self.pair = pair
        self.subsample = subsample
        self.norm_name = norm

    def build(self, input_shape):
        if self.built:  # the layers are made here
            return
        channels = input_shape[-1]
        filters = self.filters or max(channels // 2, 1)
        shape = (None, None, None, channels)

        def conv(name, units, shape, initializer="glorot_uniform", **kwargs):
            layer = keras.layers.Conv2D(
                units, 1, kernel_initializer=initializer, name=name, dtype=self.dtype_policy, **kwargs
            )
            layer.build(shape)
            return layer

        normal = keras.initializers.RandomNormal(stddev=0.01)
        self.g = conv("g", filters, shape, normal.clone())
        if self.pair != "gaussian":
            self.theta = conv("theta", filters, shape, normal.clone())
            self.phi = conv("phi", filters, shape, normal.clone())
        if self.pair == "concatenation":
            self.concat_theta = conv("concat_theta", 1, (None, None, None, filters), normal.clone(), use_bias=False)
            self.concat_phi = conv("concat_phi", 1, (None, None, None, filters), normal.clone(), use_bias=False)
        self.norm = make_norm(self.norm_name, name="norm", dtype=self.dtype_policy)
        learned = self.norm is not None and self.norm_name != "frozen_bn"
        self.w = conv("w", channels, (None, None, None, filters), "glorot_uniform" if learned else "zeros")
        if self.norm is not None:
            if learned:
                self.norm.gamma_initializer = keras.initializers.Zeros()
            self.norm.build(shape)

    def call(self, inputs, training=None):
        seen = tf.nn.max_pool2d(inputs, 2, 2, "SAME") if self.subsample else inputs
        values = _cells(self.g(seen))
        y = tf.matmul(tf.cast(self._weights(inputs, seen), values.dtype), values)
        y = self.w(tf.reshape(y, (*_sizes(inputs)[:3], values.shape[-1])))
        if self.norm is not None:
            y = self.norm(y, training=training)
        return inputs + y

    def _weights(self, inputs, seen):
        """How much each cell takes from each that is seen: float32 (B, cells, cells seen), each row of sum 1 or so."""
        if self.pair == "gaussian":
            theta, phi = _cells(inputs), _cells(seen)
        else:
            theta, phi = self.theta(inputs), self.phi(seen)
            if self.pair == "concatenation":
                theta, phi = _cells(self.concat_theta(theta)), _cells(self.concat_phi(phi))
                pairs = tf.nn.relu(tf.cast(theta, tf.float32) + tf.cast(tf.transpose(phi, (0, 2, 1)), tf.float32))
                return pairs / tf.cast(tf.shape(phi)[1], tf.float32)
            theta, phi = _cells(theta), _cells(phi)
        pairs = tf.matmul(tf.cast(theta, tf.float32), tf.cast(phi, tf.float32), transpose_b=True)
        if self.pair == "dot_product":
            return pairs / tf.cast(tf.shape(phi)[1], tf.float32)
        return tf.nn.softmax(pairs, axis=-1)

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        return {
            **super().get_config(),
            "filters": self.filters,
            "pair": self.pair,
            "subsample": self.subsample,
            "norm": self.norm_name,
        }


def _cells(x):
    """(B, H, W, C) to (B, H * W, C)."""
    batch, height, width, channels = _sizes(x)
    return tf.reshape(x, (batch, height * width, channels))


def _sizes(x):
    """Sides of a tensor: integers where the graph knows them."""
    return [dynamic if static is None else static for static, dynamic in zip(x.shape, tf.unstack(tf.shape(x)))]
