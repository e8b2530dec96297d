"""DeepMask's head: for every window of a feature map a mask, and a score of whether an object fills it."""

import gin
import keras
import tensorflow as tf

VARIANTS = ("original", "a", "b", "c")


@gin.register(module="panet_tf")
@keras.saving.register_keras_serializable("panet_tf")
class MaskProposalHead(keras.layers.Layer):
    """Mask and score of each window of `kernel_size` x `kernel_size` cells (Lin's thesis, section 3.4.2, Figure 3.3).

    The window's features, reduced to `channels` by a 1x1 convolution and ReLU, become one vector of `rank` numbers (a
    convolution as large as the window, without an activation), and that a mask of `mask_size` x `mask_size` logits: two
    low-rank fully-connected layers. The score is made of

      `"c"`: the same vector, by dropout, `score_units`, ReLU, dropout and one unit;
      `"b"`: a vector of its own, of the same reduced features;
      `"a"`: a vector of its own, of reduced features of its own;
      `"original"`: DeepMask's: a vector of the features' 2x2 max-pooling, by half as large a kernel. On a map it is
      worked out at every place by pooling at stride 1 and a dilated convolution, which is what interleaving gives.

    Args:
        kernel_size: int, cells a side of a window: input size / stride. Defaults to 10.
        channels: int, of the reduced features, F in Table 3.1; `None` for the features as they are. Defaults to 128.
        rank: int, length of the vector. Defaults to 512.
        mask_size: int. Defaults to 56.
        score_units: int. Defaults to 1024.
        variant: as above. Defaults to `"c"`, with which the thesis goes on.
        dropout: float, in front of both layers of the score. Defaults to 0.5.
        kernel_initializer: Keras initializer or its name. Defaults to torch's, uniform to 1 / sqrt(fan-in).

    Input: float (batch, height, width, features).
    Output: dict of `mask_logits` float (batch, h, w, mask_size, mask_size) and `scores` float32 (batch, h, w), logits,
    of the h = height - kernel_size + 1 by w windows.

    Raises:
        ValueError: for an unknown variant.

    Example:
        >>> found = MaskProposalHead()(tf.ones((1, 10, 10, 1024)))
        >>> found["mask_logits"].shape, found["scores"].shape
        (TensorShape([1, 1, 1, 56, 56]), TensorShape([1, 1, 1]))
    """

    def __init__(
        self,
        *,
        kernel_size=10,
        channels=128,
        rank=512,
        mask_size=56,
        score_units=1024,
        variant="c",
        dropout=0.5,
        kernel_initializer=None,
        **kwargs,
    ):
        super().__init__(**kwargs)
        if variant not in VARIANTS:
            raise ValueError(f"variant must be one of {VARIANTS}, received {variant!r}.")
        self.kernel_size, self.channels, self.rank = int(kernel_size), channels, int(rank)
        self.mask_size, self.score_units, self.variant, self.dropout = int(mask_size), score_units, variant, dropout
        if kernel_initializer is None:
            kernel_initializer = keras.initializers.VarianceScaling(1 / 3, "fan_in", "uniform")
        self.kernel_initializer = keras.initializers.get(kernel_initializer)
        self.reduce = self._reduction("reduce")
        self.encoder = self._window("encoder", self.kernel_size)
        self.mask = self._dense("mask", self.mask_size**2)
        self.score_reduce = self._reduction("score_reduce") if variant == "a" else None
        self.score_encoder = None
        if variant == "original":
            self.score_encoder = self._window("score_encoder", self.kernel_size // 2, "relu", dilation_rate=2)
        elif variant != "c":
            self.score_encoder = self._window("score_encoder", self.kernel_size, "relu")
        self.dropouts = [keras.layers.Dropout(dropout, name=f"dropout{i}", dtype=self.dtype_policy) for i in (1, 2)]
        self.score_hidden = self._dense("score_hidden", score_units, activation="relu")
        self.score = self._dense("score", 1, dtype="float32")

    def _initializer(self):
        return self.kernel_initializer.clone()

    def _reduction(self, name):
        if self.channels is None:
            return None
        kwargs = {"activation": "relu", "kernel_initializer": self._initializer(), "dtype": self.dtype_policy}
        return keras.layers.Conv2D(self.channels, 1, name=name, **kwargs)

    def _window(self, name, size, activation=None, **kwargs):
        kwargs |= {"activation": activation, "kernel_initializer": self._initializer(), "dtype": self.dtype_policy}
        return keras.layers.Conv2D(self.rank, size, name=name, **kwargs)

    def _dense(self, name, units, **kwargs):
        kwargs.setdefault("dtype", self.dtype_policy)
        return keras.layers.Dense(units, kernel_initializer=self._initializer(), name=name, **kwargs)

    def build(self, input_shape):
        wide = (None, None, None, input_shape[-1])
        reduced = (None, None, None, self.channels or input_shape[-1])
        for layer, shape in (
            (self.reduce, wide),
            (self.score_reduce, wide),
            (self.encoder, reduced),
            (self.score_encoder, wide if self.variant == "original" else reduced),
            (self.mask, (None, self.rank)),
            (self.score_hidden, (None, self.rank)),
            (self.score, (None, self.score_units)),
        ):
            if layer is not None and not layer.built:
                layer.build(shape)
        for layer in self.dropouts:
            layer.built = True

    def encode(self, features, training=None):
        """The vector and the score of every window.

        Args:
            features: float (B, height, width, C).
            training: bool, whether dropout is on.

        Returns:
            Pair of encodings, float (B, h, w, rank), and scores, float32 (B, h, w), logits.
        """
        features = tf.cast(features, self.compute_dtype)
        reduced = features if self.reduce is None else self.reduce(features)
        encodings = self.encoder(reduced)
        if self.variant == "c":
            scored = encodings
        elif self.variant == "b":
            scored = self.score_encoder(reduced)
        elif self.variant == "a":
            scored = self.score_encoder(features if self.score_reduce is None else self.score_reduce(features))
        else:
            scored = self.score_encoder(tf.nn.max_pool2d(features, 2, 1, "VALID"))
            height, width = tf.unstack(tf.shape(encodings)[1:3])
            scored = scored[:, :height, :width]  # an odd kernel leaves its last row and column out
        for dropout, layer in zip(self.dropouts, (self.score_hidden, self.score)):
            scored = layer(dropout(scored, training=training))
        return encodings, tf.cast(scored, tf.float32)[..., 0]

    def decode(self, encodings):
        """Mask logits of windows.

        Args:
            encodings: float (..., rank).

        Returns:
            float (..., mask_size, mask_size).
        """
        logits = self.mask(encodings)
        shape = tf.concat([tf.shape(logits)[:-1], [self.mask_size, self.mask_size]], axis=0)
        sides = (*encodings.shape[:-1], self.mask_size, self.mask_size)
        return tf.ensure_shape(tf.reshape(logits, shape), sides)

    def call(self, inputs, training=None):
        encodings, scores = self.encode(inputs, training=training)
        return {"mask_logits": self.decode(encodings), "scores": scores}

    def get_config(self):
        return {
            **super().get_config(),
            "kernel_size": self.kernel_size,
            "channels": self.channels,
            "rank": self.rank,
            "mask_size": self.mask_size,
            "score_units": self.score_units,
            "variant": self.variant,
            "dropout": self.dropout,
            "kernel_initializer": keras.initializers.serialize(self.kernel_initializer),
        }
