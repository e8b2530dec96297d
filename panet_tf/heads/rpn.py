"""Region proposal head."""

import math

import gin
import keras
import tensorflow as tf

from panet_tf.layers.conv_block import ConvBlock


@gin.register(module="panet_tf")
@keras.saving.register_keras_serializable("panet_tf")
class RPNHead(keras.layers.Layer):
    """Objectness and box deltas of every anchor, by one small network that slides over all levels (FPN, section 4.1).

    Args:
        num_anchors: int, anchors a cell. Defaults to 3.
        filters: int, channels of the convolutions, and of the levels. Defaults to 256.
        num_convs: int, 3x3 convolutions before the predictions. Defaults to 1.
        norm: `None`, `"frozen_bn"`, `"batch"`, `"sync_bn"` or `"group"`, after each of them. A shared network's batch
            norm remembers one mixture of all levels, which fits none of them when the model is used: `"group"` has no
            such memory, and without `shared` each level has its own. Defaults to `None`.
        shared: bool, whether one network serves all levels; otherwise each has weights of its own (the thesis, sections
            4.4.1 and 4.5.1). Defaults to True.

    Input: dict of levels fine to coarse, float (B, h, w, filters).
    Output: dict of `"objectness"`, logits, a dict from level to float32 (B, h * w * num_anchors), and `"box_deltas"`, a
        dict from level to float32 (B, h * w * num_anchors, 4): row by row, then column, then the anchors of a cell.
        The last layers are float32 under any policy, because proposals are ranked by them.

    Raises:
        ValueError: for an unknown norm.

    Example:
        >>> rpn = RPNHead(num_anchors=3)(levels)
        >>> rpn["objectness"]["P2"].shape
        TensorShape([2, 201600])
    """

    def __init__(self, *, num_anchors=3, filters=256, num_convs=1, norm=None, shared=True, **kwargs):
        super().__init__(**kwargs)
        self.num_anchors = num_anchors
        self.filters = filters
        self.num_convs = num_convs
        self.norm = norm
        self.shared = shared
        self.of_levels = {}
        if not shared:
            return
        self.convs = [
            ConvBlock(
                filters=filters,
                norm=norm,
                kernel_initializer=keras.initializers.RandomNormal(stddev=0.01),
                name=f"conv{i + 1}",
                dtype=self.dtype_policy,
            )
            for i in range(num_convs)
        ]
        self.objectness = self._predictor(num_anchors, "objectness")
        self.box_deltas = self._predictor(4 * num_anchors, "box_deltas")

    def _predictor(self, channels, name):
        return keras.layers.Conv2D(
            channels,
            1,
            kernel_initializer=keras.initializers.RandomNormal(stddev=0.01),
            name=name,
            dtype="float32",
        )

    def build(self, input_shape):
        if not self.shared:
            if not self.built:
                config = {**self.get_config(), "shared": True}
                self.of_levels = {level: RPNHead.from_config(config | {"name": level}) for level in input_shape}
                for level, head in self.of_levels.items():
                    head.build({level: input_shape[level]})
            return
        channels = next(iter(input_shape.values()))[-1]
        for layer in (*self.convs, self.objectness, self.box_deltas):
            if not layer.built:
                layer.build((None, None, None, channels))
            channels = self.filters if self.convs else channels

    def call(self, levels, training=None):
        objectness, box_deltas = {}, {}
        for name, head in self.of_levels.items():
            found = head({name: levels[name]}, training=training)
            objectness |= found["objectness"]
            box_deltas |= found["box_deltas"]
        for name, x in (levels if self.shared else {}).items():
            for conv in self.convs:
                x = conv(x, training=training)
            objectness[name] = self._flat(self.objectness(x), ())
            box_deltas[name] = self._flat(self.box_deltas(x), (4,))
        return {"objectness": objectness, "box_deltas": box_deltas}

    def _flat(self, x, last):
        """(B, h, w, A * n) to (B, h * w * A, *last), static where the size is known."""
        cells = x.shape[1:3]
        anchors = -1 if None in cells else math.prod(cells) * self.num_anchors
        batch = tf.shape(x)[0] if x.shape[0] is None else x.shape[0]
        return tf.reshape(x, (batch, anchors, *last))

    def get_config(self):
        return {
            **super().get_config(),
            "num_anchors": self.num_anchors,
            "filters": self.filters,
            "num_convs": self.num_convs,
            "norm": self.norm,
            "shared": self.shared,
        }
