"""Mask head, with PANet's fully-connected branch."""

import math

import gin
import keras
import tensorflow as tf

from panet_tf.heads.class_channels import mask_channels
from panet_tf.heads.competing_masks import check_activation, competing_logits
from panet_tf.heads.level_fusion import LevelFusion
from panet_tf.heads.regions import flatten_regions, split_regions
from panet_tf.layers.conv_block import ConvBlock
from panet_tf.layers.norms import check_norm, make_norm

_FUSIONS = {"sum": tf.add, "max": tf.maximum, "prod": tf.multiply}


@gin.register(module="panet_tf")
@keras.saving.register_keras_serializable("panet_tf")
class MaskHead(keras.layers.Layer):
    """A mask for each class of each region, from its features on one level or on all.

    A stack of 3x3 convolutions, a 2x2 deconvolution of stride 2 and a 1x1 convolution (Mask R-CNN, section 3). The
    first convolution exists once a level, and the levels are fused behind it (PANet, section 3.2). `fully_connected`
    adds a branch that sees the whole region: two more convolutions, the second with half the channels, and one
    fully-connected layer that predicts a mask of no class, fused with the logits of every class (PANet, section 3.3).

    Args:
        num_classes: int, K, without background.
        num_convs: int, 3x3 convolutions. Defaults to 4; 0 behind the res5 of C4 models (Mask R-CNN, figure 4, left).
        filters: int, channels. Defaults to 256.
        norm: `None`, `"frozen_bn"`, `"batch"`, `"sync_bn"` or `"group"`, after each convolution, but not after the
            deconvolution and the last one. Defaults to `None`.
        deconv_norm: norm after the deconvolution, which then has no bias. Defaults to `None`, as in the authors'
            release.
        class_agnostic: bool, whether one mask serves all classes. Defaults to False.
        activation: `"sigmoid"`, a mask a class, each for itself; or `"softmax"`, classes and background compete for
            every pixel (Mask R-CNN, Table 2b). Defaults to `"sigmoid"`.
        fusion: `"max"`, `"sum"` or `"prod"` of levels. Defaults to `"max"`.
        fuse: `"after"` or `"before"` the first layer. Defaults to `"after"`.
        fully_connected: where the fully-connected branch starts: behind `"conv2"`, `"conv3"` or `"conv4"`, or `None`
            for no branch. Defaults to `None`; Table 5 finds `"conv3"` best.
        fully_connected_fusion: `"sum"`, `"max"` or `"prod"` of the branch and the logits. Defaults to `"sum"`, the best
            of Table 5.
        fully_connected_relu: bool, whether the branch ends in a ReLU. Defaults to False, as the paper describes it; the
            authors' release has one.
        fully_connected_norm: norm after the branch's fully-connected layer, before that ReLU, over the mask's cells.
            Defaults to `None`, as in the release.

    Call arguments:
        features: tuple of a tensor a level, float (B, R, S, S, C).
        classes: int (B, R), 1..K, optional: the only class of each region that is wanted. For 0 the last layer gives
            zeros.
        with_background: bool, with `classes` and `"softmax"`: whether the background's logits come too, for the loss.

    Output: logits, float32 (B, R, 2 S, 2 S, K or 1), whose sigmoid is a probability, also where classes compete; with
        `classes`, (B, R, 2 S, 2 S), or (B, R, 2 S, 2 S, 2), background first.

    Raises:
        ValueError: for an unknown option, or a branch from a convolution that is not there.

    Example:
        >>> head = MaskHead(num_classes=80, norm="group", fully_connected="conv3")
        >>> logits = head(AdaptivePooling(output_size=14)(levels, rois), classes=classes)
    """

    def __init__(
        self,
        *,
        num_classes,
        num_convs=4,
        filters=256,
        norm=None,
        deconv_norm=None,
        class_agnostic=False,
        activation="sigmoid",
        fusion="max",
        fuse="after",
        fully_connected=None,
        fully_connected_fusion="sum",
        fully_connected_relu=False,
        fully_connected_norm=None,
        **kwargs,
    ):
        super().__init__(**kwargs)
        if num_convs < 0:
            raise ValueError(f"num_convs must be at least 0, received {num_convs}.")
        check_activation(activation)
        check_norm(fully_connected_norm)
        if fully_connected and activation == "softmax":
            raise ValueError("a fully-connected branch predicts a mask of no class, which cannot compete with classes.")
        if fully_connected not in (None, "conv2", "conv3", "conv4"):
            raise ValueError(
                f"fully_connected must be None, 'conv2', 'conv3' or 'conv4', received {fully_connected!r}."
            )
        if fully_connected and int(fully_connected[-1]) > num_convs:
            raise ValueError(
                f"fully_connected={fully_connected!r} needs that convolution, received num_convs={num_convs}."
            )
        if fully_connected_fusion not in _FUSIONS:
            raise ValueError(
                f"fully_connected_fusion must be one of {tuple(_FUSIONS)}, received {fully_connected_fusion!r}."
            )
        self.num_classes = num_classes
        self.num_convs = num_convs
        self.filters = filters
        self.norm = norm
        self.deconv_norm = deconv_norm
        self.class_agnostic = class_agnostic
        self.activation = activation
        self.fusion = fusion
        self.fuse = fuse
        self.fully_connected = fully_connected
        self.fully_connected_fusion = fully_connected_fusion
        self.fully_connected_relu = fully_connected_relu
        self.fully_connected_norm = fully_connected_norm
        policy = self.dtype_policy
        self.first = None
        if num_convs:
            self.first = LevelFusion(layer=self._conv("conv1"), fusion=fusion, fuse=fuse, name="first", dtype=policy)
        self.convs = [self._conv(f"conv{i}") for i in range(2, num_convs + 1)]
        self.deconv = keras.layers.Conv2DTranspose(
            filters,
            2,
            strides=2,
            activation="relu" if deconv_norm is None else None,
            use_bias=deconv_norm is None,
            kernel_initializer="he_normal",
            name="deconv",
            dtype=policy,
        )
        self.after_deconv = make_norm(deconv_norm, name="deconv_norm", dtype=policy)
        self.predictor = keras.layers.Conv2D(
            (1 if class_agnostic else num_classes) + (activation == "softmax"),
            1,
            kernel_initializer=keras.initializers.RandomNormal(stddev=0.001),
            name="logits",
            dtype=policy,
        )
        self.branch_convs = []
        self.branch_dense = None
        self.after_dense = make_norm(fully_connected_norm, name="fc_norm", dtype=policy) if fully_connected else None
        if fully_connected:
            self.branch_convs = [self._conv("fc_conv1"), self._conv("fc_conv2", filters // 2)]

    def _conv(self, name, filters=None):
        return ConvBlock(filters=filters or self.filters, norm=self.norm, name=name, dtype=self.dtype_policy)

    def build(self, input_shape):
        height, width, channels = input_shape[0][2:]
        if self.first is None and len(input_shape) > 1:
            raise ValueError(f"num_convs=0 leaves no layer before the fusion of {len(input_shape)} levels.")
        if self.first is not None and not self.first.built:
            self.first.build([(None, *shape[2:]) for shape in input_shape])
        if self.first is not None:
            channels = self.filters
        for layer in (*self.convs, self.deconv, self.predictor, *self.branch_convs):
            if not layer.built:
                layer.build((None, height, width, channels if layer is self.deconv else self.filters))
        if self.after_deconv is not None and not self.after_deconv.built:
            self.after_deconv.build((None, 2 * height, 2 * width, self.filters))
        if self.after_dense is not None and not self.after_dense.built:
            self.after_dense.build((None, 4 * height * width))
        if self.fully_connected and self.branch_dense is None:
            self.branch_dense = keras.layers.Dense(
                4 * height * width,
                kernel_initializer=keras.initializers.RandomNormal(stddev=0.01),
                name="fc",
                dtype=self.dtype_policy,
            )
            self.branch_dense.build((None, height * width * (self.filters // 2)))

    def call(self, features, classes=None, training=None, with_background=False):
        x = tuple(flatten_regions(x) for x in features)
        x = x[0] if self.first is None else self.first(x, training=training)
        branch = None
        for conv in self.convs:
            x = conv(x, training=training)
            if conv.name == self.fully_connected:
                branch = x
        x = self.deconv(x)
        if self.after_deconv is not None:
            x = tf.nn.relu(self.after_deconv(x, training=training))
        if self.activation == "softmax":
            competing = competing_logits(self.predictor(x), self.class_agnostic, classes, with_background)
            return split_regions(competing, features[0])
        if classes is None:
            logits = self.predictor(x)
        else:
            logits = self._logits_of(tf.reshape(classes, (-1,)), x)
        logits = tf.cast(logits, tf.float32)
        if branch is not None:
            logits = _FUSIONS[self.fully_connected_fusion](logits, self._whole(branch, training))
        logits = split_regions(logits, features[0])
        return logits if classes is None else tf.squeeze(logits, -1)

    def _logits_of(self, classes, x):
        """The one wanted channel of the last convolution: (N, h, w, 1).

        Each region's pixels meet the kernel's column of its class, rather than all K columns and a choice after them:
        with the deconvolution 18 % less time forward and 12 % with gradients at K = 80 on CPU, and no (N, 28, 28, K)
        in memory. Columns are chosen by a product with ones and zeros, whose gradient is dense.
        """
        if self.class_agnostic:
            return self.predictor(x)
        chosen = tf.one_hot(classes - 1, self.num_classes, dtype=x.dtype)
        kernel = tf.cast(tf.reshape(self.predictor.kernel, (self.filters, self.num_classes)), x.dtype)
        columns = tf.matmul(chosen, kernel, transpose_b=True)
        biases = tf.linalg.matvec(chosen, tf.cast(self.predictor.bias, x.dtype))
        height, width = x.shape[1:3]
        logits = tf.matmul(tf.reshape(x, (-1, height * width, self.filters)), columns[:, :, None])
        return tf.reshape(logits + biases[:, None, None], (-1, height, width, 1))

    def _whole(self, x, training):
        """What the fully-connected branch predicts: float32 (N, 2 S, 2 S, 1)."""
        size = tuple(2 * side for side in x.shape[1:3])
        for conv in self.branch_convs:
            x = conv(x, training=training)
        x = self.branch_dense(tf.reshape(x, (-1, math.prod(x.shape[1:]))))
        if self.after_dense is not None:
            x = self.after_dense(x, training=training)
        if self.fully_connected_relu:
            x = tf.nn.relu(x)
        return tf.reshape(tf.cast(x, tf.float32), (-1, *size, 1))

    def class_channels(self, num_classes):
        """Classes of the last layers' channels, for weights of other classes: see `mask_channels`."""
        return mask_channels(self, num_classes)

    def get_config(self):
        return {
            **super().get_config(),
            "num_classes": self.num_classes,
            "num_convs": self.num_convs,
            "filters": self.filters,
            "norm": self.norm,
            "deconv_norm": self.deconv_norm,
            "class_agnostic": self.class_agnostic,
            "activation": self.activation,
            "fusion": self.fusion,
            "fuse": self.fuse,
            "fully_connected": self.fully_connected,
            "fully_connected_fusion": self.fully_connected_fusion,
            "fully_connected_relu": self.fully_connected_relu,
            "fully_connected_norm": self.fully_connected_norm,
        }
