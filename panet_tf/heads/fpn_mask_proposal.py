"""Mask proposals from windows of a feature pyramid."""

import gin
import keras
import tensorflow as tf


@gin.register(module="panet_tf")
@keras.saving.register_keras_serializable("panet_tf")
class FPNMaskProposalHead(keras.layers.Layer):
    """A small network on windows of cells, the same at every level: a mask and a score each (FPN, section 6).

    A convolution as large as the window with ReLU, then a mask and a score of its vector by one layer each. All windows
    are scored (`scores`); masks are wanted of few, so a call cuts these windows out and costs what they cost. Both ways
    give one window the same vector.

    Args:
        window: int, odd, cells a side. Defaults to 5; 7 (about 5 * sqrt(2)) serves half octaves.
        filters: int, length of the vector. Defaults to 512.
        mask_size: int, cells a side of a mask. Defaults to 14; 28 is the thesis's better one.

    Call arguments:
        levels: dict of levels fine to coarse, float (B, h, w, C).
        indices: int32 (B, N), cells of all levels together, level by level and row by row: the middles of windows.

    Output: dict of `"scores"` float32 (B, N), logits, and `"mask_logits"` float32 (B, N, mask_size, mask_size). The
        last layers are float32 under any policy, because proposals are ranked and cut by them.

    Raises:
        ValueError: for an even window.

    Example:
        >>> head = FPNMaskProposalHead(window=7, mask_size=28)
        >>> best = tf.math.top_k(tf.concat(list(head.scores(levels).values()), axis=1), 1000).indices
        >>> head(levels, best)["mask_logits"].shape
        TensorShape([2, 1000, 28, 28])
    """

    def __init__(self, *, window=5, filters=512, mask_size=14, **kwargs):
        super().__init__(**kwargs)
        if window < 1 or window % 2 == 0:
            raise ValueError(f"window must be an odd number of cells, so that one is its middle, received {window}.")
        self.window = int(window)
        self.filters = int(filters)
        self.mask_size = int(mask_size)
        self.hidden = keras.layers.Conv2D(
            filters,
            window,
            padding="same",
            activation="relu",
            kernel_initializer="he_normal",
            name="hidden",
            dtype=self.dtype_policy,
        )
        self.mask = self._predictor(self.mask_size**2, "mask")
        self.score = self._predictor(1, "score")

    def _predictor(self, units, name):
        initializer = keras.initializers.RandomNormal(stddev=0.01)
        return keras.layers.Dense(units, kernel_initializer=initializer, name=name, dtype="float32")

    def build(self, levels_shape, indices_shape=None):
        channels = next(iter(levels_shape.values()))[-1]
        for layer, width in ((self.hidden, channels), (self.mask, self.filters), (self.score, self.filters)):
            if not layer.built:
                layer.build((None, None, None, width))

    def scores(self, levels):
        """Scores of all windows.

        Args:
            levels: as in a call.

        Returns:
            dict from level to float32 (B, h * w), logits, row by row.
        """
        found = {}
        for name, features in levels.items():
            logits = self.score(self.hidden(tf.cast(features, self.compute_dtype)))
            height, width = features.shape[1:3]
            cells = -1 if None in (height, width) else height * width
            batch = tf.shape(logits)[0] if features.shape[0] is None else features.shape[0]
            found[name] = tf.reshape(logits, (batch, cells))
        return found

    def call(self, levels, indices):
        rows, table = self._windows(levels, indices)
        windows = tf.gather(table, rows, batch_dims=1)  # (B, N, window^2, C)
        channels = self.window**2 * table.shape[-1]
        windows = tf.reshape(windows, (-1, channels))
        kernel = tf.cast(tf.reshape(self.hidden.kernel, (channels, self.filters)), windows.dtype)
        vectors = tf.nn.relu(tf.matmul(windows, kernel) + tf.cast(self.hidden.bias, windows.dtype))
        shape = tf.shape(indices)
        known = indices.shape
        sides = (self.mask_size, self.mask_size)
        return {
            "scores": tf.ensure_shape(tf.reshape(self.score(vectors), shape), known),
            "mask_logits": tf.ensure_shape(
                tf.reshape(self.mask(vectors), tf.concat([shape, sides], axis=0)), (*known, *sides)
            ),
        }

    def _windows(self, levels, indices):
        """Rows of a table that hold the cells of each window, int32 (B, N, window^2), and the table (B, cells, C)."""
        border = self.window // 2
        tables, starts, widths, counts, base = [], [], [], [], 0
        for features in levels.values():
            padded = tf.pad(tf.cast(features, self.compute_dtype), ((0, 0), (border, border), (border, border), (0, 0)))
            shape = tf.shape(padded)
            tables.append(tf.reshape(padded, (shape[0], shape[1] * shape[2], features.shape[-1])))
            starts.append(base)
            widths.append(shape[2])
            counts.append((shape[1] - 2 * border) * (shape[2] - 2 * border))
            base += shape[1] * shape[2]
        ends = tf.cumsum(tf.stack(counts))
        level = tf.reduce_sum(tf.cast(indices[..., None] >= ends[:-1], tf.int32), axis=-1)
        cell = indices - tf.gather(tf.concat([[0], ends], axis=0), level)
        wide = tf.gather(tf.stack(widths), level)
        cells_of_row = wide - 2 * border
        corner = tf.gather(tf.stack(starts), level) + cell // cells_of_row * wide + cell % cells_of_row
        offsets = tf.range(self.window)
        rows = corner[..., None, None] + offsets[:, None] * wide[..., None, None] + offsets
        return tf.reshape(rows, tf.concat([tf.shape(indices), [self.window**2]], axis=0)), tf.concat(tables, axis=1)

    def get_config(self):
        return {
            **super().get_config(),
            "window": self.window,
            "filters": self.filters,
            "mask_size": self.mask_size,
        }
