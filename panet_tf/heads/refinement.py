"""SharpMask's refinement: from the vector of a window to a mask of the input's resolution."""

import gin
import keras
import tensorflow as tf

from panet_tf.heads.refinement_module import RefinementModule
from panet_tf.layers.symmetric_padding import SymmetricPadding

MODES = ("full", "skip", "deconv")
SCHEDULES = ("halving", "constant")


@gin.register(module="panet_tf")
@keras.saving.register_keras_serializable("panet_tf")
class RefinementHead(keras.layers.Layer):
    """A stack of refinement modules, one for each pooling of the trunk (Lin's thesis, sections 3.3 and 3.5.2).

    A linear layer makes the mask encoding M^1 of a window's vector; each module joins it with the trunk's features at
    its resolution and doubles that; a last 3x3 convolution gives the logits.

    Args:
        size: int, cells a side of M^1: input size / stride. Defaults to 10.
        channels: int k, of M^1. Defaults to 32.
        schedule: `"halving"`: k_m = k_s = k / 2^(i - 1) in module i (schedule b); `"constant"`: k in all (schedule a).
            Defaults to `"halving"`, the better one for its time.
        levels: names of the trunk's levels, coarse to fine. Defaults to C4 to C1.
        mode: `"full"`; `"skip"`: no vertical convolutions, one channel each, the mean over all levels; `"deconv"`: no
            horizontal part (the ablations of section 3.5.2). Defaults to `"full"`.
        hidden_channels: int of each module's horizontal part, or one for each; of more than there are levels the last,
            the finest levels'. Defaults to (64, 64, 64, 32), the released program's.
        form, upsample, pass_gradient: as in `RefinementModule`. Default to `"refactored"`, `"nearest"`, False. The mode
            `"skip"` always upsamples bilinearly.

    Input: encodings float (windows, rank), and a dict of the trunk's levels around each window, float
    (windows, s_i + 2 c_i, s_i + 2 c_i, k_f), s_i = size * 2^(i - 1), with any context c_i.
    Output: float (windows, size * 2^n, size * 2^n), logits, n being the number of levels.

    Raises:
        ValueError: for an unknown mode or schedule, no levels, or fewer hidden channels than levels.

    Example:
        >>> head = RefinementHead(size=10, channels=32)
    """

    def __init__(
        self,
        *,
        size=10,
        channels=32,
        schedule="halving",
        levels=("C4", "C3", "C2", "C1"),
        mode="full",
        hidden_channels=(64, 64, 64, 32),
        form="refactored",
        upsample="nearest",
        pass_gradient=False,
        **kwargs,
    ):
        super().__init__(**kwargs)
        for name, value, known in (("mode", mode, MODES), ("schedule", schedule, SCHEDULES)):
            if value not in known:
                raise ValueError(f"{name} must be one of {known}, received {value!r}.")
        self.size, self.channels, self.schedule, self.mode = int(size), int(channels), schedule, mode
        self.levels = tuple(levels)
        if not self.levels:
            raise ValueError(f"refinement needs at least one level, received {levels}.")
        hidden = hidden_channels if isinstance(hidden_channels, (tuple, list)) else (hidden_channels,) * len(levels)
        if len(hidden) < len(self.levels):
            raise ValueError(f"every level has hidden channels, received {hidden} for {self.levels}.")
        self.hidden_channels = tuple(hidden)[-len(self.levels) :]
        self.form, self.upsample, self.pass_gradient = form, upsample, pass_gradient
        counts = self.capacities
        self.encoding = keras.layers.Dense(self.size**2 * counts[0], name="encoding", dtype=self.dtype_policy)
        self.refiners = [
            RefinementModule(
                channels=counts[i],
                skip_channels=0 if mode == "deconv" else counts[i],
                filters=counts[i + 1],
                hidden_channels=self.hidden_channels[i],
                vertical=mode != "skip",
                form=form,
                upsample="bilinear" if mode == "skip" else upsample,
                pass_gradient=pass_gradient,
                name=f"refiner{i + 1}",
                dtype=self.dtype_policy,
            )
            for i in range(len(self.levels))
        ]
        self.pad = SymmetricPadding(padding=1, pass_gradient=pass_gradient, name="pad", dtype=self.dtype_policy)
        self.last = None
        if mode != "skip":
            self.last = keras.layers.Conv2D(1, 3, name="last", dtype=self.dtype_policy)

    @property
    def capacities(self):
        """Channels of M^1, M^2 ... M^(n + 1)."""
        count = len(self.levels) + 1
        if self.mode == "skip":
            return (1,) * count
        return tuple(max(self.channels >> (i if self.schedule == "halving" else 0), 1) for i in range(count))

    def build(self, encodings_shape, levels_shape=None):
        if not self.encoding.built:
            self.encoding.build(encodings_shape)
        for refiner, level in zip(self.refiners, self.levels):
            refiner.build_horizontal(levels_shape[level])
        if self.last is not None and not self.last.built:
            self.last.build((None, None, None, self.capacities[-1]))
        self.pad.built = True

    def share(self, levels):
        """The horizontal parts over whole images, coarse to fine; see `RefinementModule.share`."""
        return [refiner.share(levels[level]) for refiner, level in zip(self.refiners, self.levels)]

    def window_sizes(self):
        """(size, border) of each level's window: cells a side, and cells of context around that it needs."""
        return [(self.size << i, refiner.border) for i, refiner in enumerate(self.refiners)]

    def refine(self, encodings, windows):
        """All windows in one batch.

        Args:
            encodings: float (windows, rank).
            windows: list of what each window needs of `share`'s maps, float (windows, s_i + 2 b_i, s_i + 2 b_i, c).

        Returns:
            float (windows, size * 2^n, size * 2^n), logits.
        """
        encodings = tf.cast(encodings, self.compute_dtype)
        x = tf.reshape(self.encoding(encodings), (-1, self.size, self.size, self.capacities[0]))
        for refiner, window in zip(self.refiners, windows):
            x = refiner(x, window)
        if self.last is None:
            return x[..., 0] / (len(self.refiners) + 1)
        return self.last(self.pad(x))[..., 0]

    def call(self, encodings, levels):
        windows = []
        for shared, (size, border) in zip(self.share(levels), self.window_sizes()):
            windows.append(None if shared is None else _centre(shared, size + 2 * border))
        return self.refine(encodings, windows)

    def get_config(self):
        return {
            **super().get_config(),
            "size": self.size,
            "channels": self.channels,
            "schedule": self.schedule,
            "levels": self.levels,
            "mode": self.mode,
            "hidden_channels": self.hidden_channels,
            "form": self.form,
            "upsample": self.upsample,
            "pass_gradient": self.pass_gradient,
        }


def _centre(maps, size):
    """The square of `size` cells in the middle of maps."""
    cut = (maps.shape[1] - size) // 2
    return maps[:, cut : cut + size, cut : cut + size]
