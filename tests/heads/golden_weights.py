"""Torch-layout seeded weights as ours."""

import numpy as np


class GoldenWeights:
    """The seeded weights of recorded modules, loaded into our layers.

    Args:
        seeded: function (name, shape, seed) -> array in torch's layout.
        recorded: arrays of the recording, which may tell the seed.
        prefix: what every name begins with.
    """

    def __init__(self, seeded, recorded, prefix):
        self.seeded = seeded
        self.seed = int(recorded["seed"]) if "seed" in recorded else 0
        self.prefix = prefix

    def __call__(self, name, shape):
        return self.seeded(f"{self.prefix}{name}", shape, self.seed)

    def conv(self, layer, name):
        """Convolution: OIHW to HWIO; or transposed: (in, out, h, w) to (h, w, out, in)."""
        kernel = layer.kernel.shape
        weights = self(f"{name}.weight", (kernel[3], kernel[2], *kernel[:2])).transpose(2, 3, 1, 0)
        layer.set_weights([weights, *([self(f"{name}.bias", layer.bias.shape)] if layer.use_bias else [])])

    def dense(self, layer, name, rows=None):
        """Fully-connected; `rows` (height, width) of the flattened map that it sees: torch flattens channels first."""
        inputs, units = layer.kernel.shape
        weights = self(f"{name}.weight", (units, inputs))
        if rows is not None:
            weights = weights.reshape(units, -1, *rows).transpose(0, 2, 3, 1).reshape(units, inputs)
        layer.set_weights([weights.T, self(f"{name}.bias", (units,))])

    def norm(self, layer, name):
        layer.set_weights([self(f"{name}.{leaf}", layer.gamma.shape) for leaf in ("weight", "bias")])


def roi_features(recorded):
    """The seven- and fourteen-cell region features of the PANet recording: two tuples of four (1, 3, S, S, 256)."""
    rng = np.random.default_rng(int(recorded["C_seed"]))
    for name in ("C2", "C3", "C4", "C5"):
        rng.standard_normal(recorded[f"{name}_rng_shape"])

    def draw(size):
        x = rng.standard_normal((3, 256, size, size)).astype("float32")
        return x.transpose(0, 2, 3, 1)[None]

    return tuple(draw(7) for _ in range(4)), tuple(draw(14) for _ in range(4))
