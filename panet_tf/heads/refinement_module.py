"""One step of SharpMask's way down: a mask encoding and finer features make an encoding twice as large."""

import gin
import keras
import tensorflow as tf

from panet_tf.layers.symmetric_padding import SymmetricPadding
from panet_tf.ops.resampling import resize_masks

FORMS = ("refactored", "plain")
UPSAMPLINGS = ("nearest", "bilinear")


@gin.register(module="panet_tf")
@keras.saving.register_keras_serializable("panet_tf")
class RefinementModule(keras.layers.Layer):
    """R^i (Lin's thesis, section 3.3.2, Figures 3.1d and 3.7): `upsample(relu(conv(concat(M_m, S))))`.

    The horizontal part makes skip features S of the trunk's features F by two 3x3 convolutions with ReLUs (one alone
    did not learn). It knows nothing of the window, so it runs once over a whole image (`share`). The vertical part,
    a 3x3 convolution and ReLU, makes M_m of the encoding M of each window; M_m and S are joined, convolved, rectified
    and upsampled.

    The form says how they are joined. `"plain"`: concatenated, then convolved. `"refactored"`: convolved apart and
    added, which is the same, but lets S be convolved once for all windows that overlap. The weights are the same, so a
    model may be trained in one form and run in the other. In both, S at a window's border sees what lies around the
    window, and M its own mirror image.

    Args:
        channels: int, k_m of the encoding that comes in.
        skip_channels: int, k_s of S; 0 for no horizontal part (the "deconv" ablation).
        filters: int, channels of the encoding that leaves.
        hidden_channels: int, between the two horizontal convolutions. Defaults to 64.
        vertical: bool; False leaves M as it is, adds S (of 1 channel, not rectified) and has no weights beside the
            horizontal part's (the "skip" ablation). Defaults to True.
        form: `"refactored"` or `"plain"`. Defaults to `"refactored"`.
        upsample: `"nearest"`, as in the released program, or `"bilinear"`, as in the thesis. Defaults to `"nearest"`.
        pass_gradient: as in `SymmetricPadding`. Defaults to False.

    Input: encodings float (windows, s, s, channels), and float (windows, s + 2 b, s + 2 b, c) cut from what `share`
    made of the features, b being `border`; `None` without a horizontal part.
    Output: float (windows, 2 s, 2 s, filters).

    Raises:
        ValueError: for an unknown form or upsampling, or neither part.

    Example:
        >>> module = RefinementModule(channels=32, skip_channels=32, filters=16)
        >>> skip = module.share(tf.ones((1, 12, 12, 1024)))
        >>> module(tf.ones((1, 10, 10, 32)), skip[:, 1:-1, 1:-1]).shape
        TensorShape([1, 20, 20, 16])
    """

    def __init__(
        self,
        *,
        channels,
        skip_channels,
        filters,
        hidden_channels=64,
        vertical=True,
        form="refactored",
        upsample="nearest",
        pass_gradient=False,
        **kwargs,
    ):
        super().__init__(**kwargs)
        for name, value, known in (("form", form, FORMS), ("upsample", upsample, UPSAMPLINGS)):
            if value not in known:
                raise ValueError(f"{name} must be one of {known}, received {value!r}.")
        if not vertical and (not skip_channels or channels != 1 or skip_channels != 1 or filters != 1):
            raise ValueError(
                "without a vertical part everything has one channel, received "
                f"{channels}, {skip_channels} and {filters}."
            )
        self.channels, self.skip_channels, self.filters = int(channels), int(skip_channels), int(filters)
        self.hidden_channels, self.vertical = int(hidden_channels), vertical
        self.form, self.upsample, self.pass_gradient = form, upsample, pass_gradient
        self.pad = SymmetricPadding(padding=1, pass_gradient=pass_gradient, name="pad", dtype=self.dtype_policy)
        self.horizontal1 = self.horizontal2 = self.vertical1 = self.join = self.join_skip = None
        if self.skip_channels:
            self.horizontal1 = self._conv("horizontal1", self.hidden_channels, activation="relu")
            self.horizontal2 = self._conv("horizontal2", self.skip_channels, activation="relu" if vertical else None)
        if vertical:
            self.vertical1 = self._conv("vertical1", self.channels, activation="relu")
            self.join = self._conv("join", self.filters)
            if self.skip_channels:
                self.join_skip = self._conv("join_skip", self.filters, use_bias=False)

    def _conv(self, name, filters, **kwargs):
        kwargs |= {"kernel_initializer": "he_uniform", "dtype": self.dtype_policy}
        return keras.layers.Conv2D(filters, 3, name=name, **kwargs)

    @property
    def border(self):
        """Cells of context that a window of `share`'s maps needs on each side."""
        return 1 if self.form == "plain" and self.join_skip is not None else 0

    def build(self, inputs_shape, skip_shape=None):
        # Of the trunk's features nothing is known here: `build_horizontal` does the rest.
        for layer, channels in (
            (self.vertical1, self.channels),
            (self.join, self.channels),
            (self.join_skip, self.skip_channels),
            (self.horizontal2, self.hidden_channels),
        ):
            if layer is not None and not layer.built:
                layer.build((None, None, None, channels))
        self.pad.built = True

    def build_horizontal(self, features_shape):
        """Creates the weights that depend on the trunk's channels; every other one too."""
        if self.horizontal1 is not None and not self.horizontal1.built:
            self.horizontal1.build((None, None, None, features_shape[-1]))
        if not self.built:
            self.build((None, None, None, self.channels))
            self.built = True

    def share(self, features):
        """What all windows of an image share.

        Args:
            features: float (B, height, width, k_f), F of the trunk.

        Returns:
            float (B, height, width, c), or in the plain form (B, height + 2, width + 2, k_s); `None` without a
            horizontal part.
        """
        if self.horizontal1 is None:
            return None
        features = tf.cast(features, self.compute_dtype)
        skip = self.horizontal2(self.pad(self.horizontal1(self.pad(features))))
        if not self.vertical:
            return skip
        skip = self.pad(skip)
        return skip if self.border else self.join_skip(skip)

    def call(self, inputs, skip=None):
        x = tf.cast(inputs, self.compute_dtype)
        if not self.vertical:
            x = x + skip
        else:
            x = self.pad(self.vertical1(self.pad(x)))
            if skip is None:
                x = self.join(x)
            elif self.border:
                kernel = tf.concat([self.join.kernel, self.join_skip.kernel], axis=2)
                x = tf.nn.conv2d(tf.concat([x, skip], axis=-1), tf.cast(kernel, x.dtype), 1, "VALID")
                x = x + tf.cast(self.join.bias, x.dtype)
            else:
                x = self.join(x) + skip
            x = tf.nn.relu(x)
        return self._upsampled(x)

    def _upsampled(self, x):
        if self.upsample == "nearest":
            return tf.repeat(tf.repeat(x, 2, axis=1), 2, axis=2)  # XLA has no gradient of a nearest resize
        maps = resize_masks(tf.transpose(x, (0, 3, 1, 2)), 2 * x.shape[1])
        return tf.transpose(maps, (0, 2, 3, 1))

    def get_config(self):
        return {
            **super().get_config(),
            "channels": self.channels,
            "skip_channels": self.skip_channels,
            "filters": self.filters,
            "hidden_channels": self.hidden_channels,
            "vertical": self.vertical,
            "form": self.form,
            "upsample": self.upsample,
            "pass_gradient": self.pass_gradient,
        }
