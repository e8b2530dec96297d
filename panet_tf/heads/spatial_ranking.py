"""OANet's spatial ranking module."""

import re

import gin
import keras
import tensorflow as tf

from panet_tf.layers.conv_block import ConvBlock


@gin.register(module="panet_tf")
@keras.saving.register_keras_serializable("panet_tf")
class SpatialRanking(keras.layers.Layer):
    """Learns from categories and shapes which instance lies over which (OANet, section 3.2).

    It looks at a canvas with a channel per thing category, 1 where instances of the category lie, through a large
    kernel, and gives a map of the same size. Where instances conflict it is taught the category that shows; so a tie
    that lies on a person gets a high probability there, whatever the detector thinks of it. An instance's score is the
    mean of its category's probability over its mask (`ops.instance_ranking`). The canvas is binary: no gradient
    reaches the masks.

    What the paper leaves open is an argument: the canvas's resolution (its text: the input's size), whether a kernel of
    1 x 7 and 7 x 1 is one order or both as in the cited large kernels, and how instances of one category that overlap,
    which the canvas cannot tell apart, are ordered.

    Args:
        num_classes: int, K, thing categories.
        kernel: `"1x1"`, `"3x3"` or `"1x7+7x1"` (Table 5), any odd sizes. Defaults to the best, `"1x7+7x1"`.
        both_orders: bool, for a kernel of two parts: the sum of both orders, 1 x 7 then 7 x 1 and 7 x 1 then 1 x 7
            (Peng et al., "Large Kernel Matters", figure 3 B), or the first alone. Defaults to True.
        filters: int, channels between the two parts. Defaults to `None`, as many as categories.
        stride: int, pixels a cell of the canvas. Defaults to 4: 16 times less work than at the input's size.
        train_on: `"ground_truth"` masks, or `"predicted"`: those that the mask head predicts in the ground truth's
            boxes. Defaults to `"ground_truth"`.
        share_blobs: bool, whether overlapping instances of one category share their score, so that the detection score
            orders them. Defaults to True.

    Input: float (B, h, w, K), 0 or 1.
    Output: logits of the ranking map, float32 (B, h, w, K).

    Raises:
        ValueError: for a kernel that is not written so, or another option that is not known.

    Example:
        >>> cells = instance_cells(masks, boxes, classes > 0, size=(200, 336))
        >>> logits = SpatialRanking(num_classes=80)(class_canvas(cells, classes, 80))
    """

    def __init__(
        self,
        *,
        num_classes,
        kernel="1x7+7x1",
        both_orders=True,
        filters=None,
        stride=4,
        train_on="ground_truth",
        share_blobs=True,
        **kwargs,
    ):
        super().__init__(**kwargs)
        if not re.fullmatch(r"\d+x\d+(\+\d+x\d+)?", str(kernel)):
            raise ValueError(f'kernel must be like "1x1", "3x3" or "1x7+7x1", received {kernel!r}.')
        if train_on not in ("ground_truth", "predicted"):
            raise ValueError(f'train_on must be "ground_truth" or "predicted", received {train_on!r}.')
        self.num_classes = num_classes
        self.kernel = kernel
        self.both_orders = both_orders
        self.filters = filters
        self.stride = stride
        self.train_on = train_on
        self.share_blobs = share_blobs
        sizes = [tuple(int(side) for side in part.split("x")) for part in kernel.split("+")]
        self.first, self.second = [self._conv(sizes[0], "first", last=len(sizes) == 1)], []
        if len(sizes) == 2:
            self.first.append(self._conv(sizes[1], "first_last"))
            if both_orders:
                self.second = [self._conv(sizes[1], "second", last=False), self._conv(sizes[0], "second_last")]

    def _conv(self, size, name, last=True):
        return ConvBlock(
            filters=self.num_classes if last else self.filters or self.num_classes,
            kernel_size=size,
            activation=None,
            kernel_initializer="glorot_uniform",
            name=name,
            dtype=self.dtype_policy,
        )

    def build(self, input_shape):
        for branch in (self.first, self.second):
            channels = self.num_classes
            for conv in branch:
                if not conv.built:
                    conv.build((None, None, None, channels))
                channels = conv.filters

    def call(self, canvas):
        total = 0.0
        for branch in (self.first, self.second):
            x = tf.cast(canvas, self.compute_dtype)
            for conv in branch:
                x = conv(x)
            total += tf.cast(x, tf.float32) if branch else 0.0
        return total

    def get_config(self):
        return {
            **super().get_config(),
            "num_classes": self.num_classes,
            "kernel": self.kernel,
            "both_orders": self.both_orders,
            "filters": self.filters,
            "stride": self.stride,
            "train_on": self.train_on,
            "share_blobs": self.share_blobs,
        }
