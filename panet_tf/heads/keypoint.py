"""Keypoint head."""

import gin
import keras
import tensorflow as tf

from panet_tf.heads.level_fusion import LevelFusion
from panet_tf.heads.regions import flatten_regions, split_regions
from panet_tf.layers.conv_block import ConvBlock
from panet_tf.ops.keypoint_decoding import SCORES
from panet_tf.ops.keypoints import decode_keypoints


@gin.register(module="panet_tf")
@keras.saving.register_keras_serializable("panet_tf")
class KeypointHead(keras.layers.Layer):
    """A map for each keypoint of each region, on which it is one cell, from features on one level or on all.

    Eight 3x3 convolutions of 512 channels, a 4x4 deconvolution of stride 2 that is the predictor itself, and bilinear
    upscaling by 2: 14 x 14 features become 56 x 56 cells (Mask R-CNN, section 5). One map serves all classes. The
    first convolution exists once a level, and the levels are fused behind it (PANet, section 3.2).

    The head also says how its maps are read, see `decode`.

    Args:
        num_keypoints: int, J. Defaults to 17, COCO's of a person.
        num_convs: int, 3x3 convolutions. Defaults to 8.
        filters: int, their channels. Defaults to 512.
        norm: `None`, `"frozen_bn"`, `"batch"`, `"sync_bn"` or `"group"`, after each convolution. Defaults to `None`.
        fusion: `"max"`, `"sum"` or `"prod"` of levels. Defaults to `"max"`.
        fuse: `"after"` or `"before"` the first layer. Defaults to `"after"`.
        subcell: `"parabola"` or `None`, how the graph reads within a cell, see `panet_tf.ops.keypoints`. Defaults to
            `"parabola"`.
        score: `"softmax"`, `"logit"` or `"resized_softmax"`, what a keypoint's score is, see
            `panet_tf.ops.keypoint_decoding`. Defaults to `"softmax"`, which the graph takes for the third too.
        keep_logits: bool, whether predictions also hold the maps, from which the evaluator and the predictor then read
            the points exactly. 100 detections of 17 keypoints are 21 MB an image: for `predict` on more than a few
            images leave it out. May be set on the layer before the first prediction. Defaults to False.

    Input: tuple of a tensor a level, float (B, R, S, S, C).
    Output: logits, float32 (B, R, 4 S, 4 S, J).

    Raises:
        ValueError: for an unknown option.

    Example:
        >>> head = KeypointHead(num_keypoints=17)
        >>> logits = head(FPNLevelPooling(output_size=14)(levels, rois))
    """

    def __init__(
        self,
        *,
        num_keypoints=17,
        num_convs=8,
        filters=512,
        norm=None,
        fusion="max",
        fuse="after",
        subcell="parabola",
        score="softmax",
        keep_logits=False,
        **kwargs,
    ):
        super().__init__(**kwargs)
        if num_keypoints < 1 or num_convs < 1:
            raise ValueError(
                f"num_keypoints and num_convs must be at least 1, received {num_keypoints} and {num_convs}."
            )
        if subcell not in ("parabola", None):
            raise ValueError(f"subcell must be 'parabola' or None, received {subcell!r}.")
        if score not in SCORES:
            raise ValueError(f"score must be one of {SCORES}, received {score!r}.")
        self.num_keypoints = num_keypoints
        self.num_convs = num_convs
        self.filters = filters
        self.norm = norm
        self.fusion = fusion
        self.fuse = fuse
        self.subcell = subcell
        self.score = score
        self.keep_logits = keep_logits
        policy = self.dtype_policy
        self.first = LevelFusion(layer=self._conv("conv1"), fusion=fusion, fuse=fuse, name="first", dtype=policy)
        self.convs = [self._conv(f"conv{i}") for i in range(2, num_convs + 1)]
        self.predictor = keras.layers.Conv2DTranspose(
            num_keypoints,
            4,
            strides=2,
            padding="same",  # a cell off each side, as torch's padding=1
            # He's, by the channels that come in: a deconvolution's kernel has them last.
            kernel_initializer=keras.initializers.VarianceScaling(2.0, "fan_out", "untruncated_normal"),
            name="logits",
            dtype=policy,
        )

    def _conv(self, name):
        return ConvBlock(filters=self.filters, norm=self.norm, name=name, dtype=self.dtype_policy)

    def build(self, input_shape):
        height, width = input_shape[0][2:4]
        if not self.first.built:
            self.first.build([(None, *shape[2:]) for shape in input_shape])
        for layer in (*self.convs, self.predictor):
            if not layer.built:
                layer.build((None, height, width, self.filters))

    def call(self, features, training=None):
        x = self.first(tuple(flatten_regions(x) for x in features), training=training)
        for conv in self.convs:
            x = conv(x, training=training)
        logits = tf.cast(self.predictor(x), tf.float32)
        return split_regions(_doubled(_doubled(logits, 1), 2), features[0])

    def decode(self, logits, rois):
        """Reads points from the maps inside the graph.

        Args:
            logits: float (B, R, S, S, J), what a call gives.
            rois: float (B, R, 4), yxyx in pixels.

        Returns:
            float32 (B, R, J, 3): y, x in the same pixels, score.
        """
        score = "logit" if self.score == "logit" else "softmax"
        return decode_keypoints(logits, rois, subcell=self.subcell, score=score)

    def get_config(self):
        return {
            **super().get_config(),
            "num_keypoints": self.num_keypoints,
            "num_convs": self.num_convs,
            "filters": self.filters,
            "norm": self.norm,
            "fusion": self.fusion,
            "fuse": self.fuse,
            "subcell": self.subcell,
            "score": self.score,
            "keep_logits": self.keep_logits,
        }


def _doubled(x, axis):
    """Bilinear upscaling by 2 along an axis, half-pixel centres; sums of slices, which XLA can differentiate."""
    size = x.shape[axis]
    padded = tf.pad(x, [[int(i == axis)] * 2 for i in range(4)], "SYMMETRIC")
    before, _, after = (_slice(padded, axis, start, size) for start in range(3))
    doubled = tf.stack([0.25 * before + 0.75 * x, 0.75 * x + 0.25 * after], axis=axis + 1)
    return tf.reshape(doubled, (-1, *(2 * n if i == axis else n for i, n in enumerate(x.shape[1:], start=1))))


def _slice(x, axis, start, size):
    return x[:, start : start + size] if axis == 1 else x[:, :, start : start + size]
