"""The fifth stage of a ResNet on regions in place of the whole image."""

import gin
import keras

from panet_tf.backbones.residual_builder import ResidualBuilder
from panet_tf.heads.regions import flatten_regions, split_regions


@gin.register(module="panet_tf")
@keras.saving.register_keras_serializable("panet_tf")
class Res5Head(keras.layers.Layer):
    """The stage "res5" applied to the C4 features of every region (Mask R-CNN, figure 4, left).

    It is the `shared_head` of a C4 model: boxes and masks branch off behind it. Layers are called as in the network
    that it comes from, `layer4_0_conv1`, so that weights of a classifier can be loaded.

    Args:
        blocks: int. Defaults to 3; a ResNet-269 has 8.
        strides: int, of the first block. Defaults to 1, for regions of 7x7 cells as the paper has them; 2 for 14x14
            (ResNet's own detector, detectron2).
        norm: `None`, `"frozen_bn"`, `"batch"`, `"sync_bn"` or `"group"`. Defaults to `"frozen_bn"`.
        epsilon: float, of the norm. Defaults to 1e-5.
        stride_in: `"3x3"` or `"1x1"`, as in `resnet`. Defaults to `"3x3"`.
        groups, width_per_group, squeeze: as in `resnext` and, 16, in `se_resnet`. Default to 1, 64 and `None`.
        deform_blocks: int, how many of the last blocks have a deformable convolution. Defaults to 0.
        deform_modulated, deform_groups: as in `resnet`. Default to False and 1.

    Input: tuple of a tensor a level, float (B, R, S, S, C).
    Output: tuple of as many, float (B, R, ceil(S / strides), ceil(S / strides), 2048).

    Raises:
        ValueError: for an unknown option.

    Example:
        >>> (features,) = Res5Head()(FPNLevelPooling(output_size=7)(levels, rois))
    """

    def __init__(
        self,
        *,
        blocks=3,
        strides=1,
        norm="frozen_bn",
        epsilon=1e-5,
        stride_in="3x3",
        groups=1,
        width_per_group=64,
        squeeze=None,
        deform_blocks=0,
        deform_modulated=False,
        deform_groups=1,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.blocks = blocks
        self.strides = strides
        self.deform_blocks = deform_blocks
        self.options = {
            "norm": norm,
            "epsilon": epsilon,
            "stride_in": stride_in,
            "groups": groups,
            "width_per_group": width_per_group,
            "squeeze": squeeze,
            "deform_modulated": deform_modulated,
            "deform_groups": deform_groups,
        }
        self.builder = ResidualBuilder(dtype=self.dtype_policy, **self.options)

    def build(self, input_shape):
        if self.built:  # the stage is made here
            return
        features = keras.Input((None, None, input_shape[0][-1]), name="features")
        x = self.builder.stage(features, 4, self.blocks, self.strides, deform_last=self.deform_blocks)
        self.stage = keras.Model(features, x, name="stage")

    def call(self, features, training=None):
        return tuple(split_regions(self.stage(flatten_regions(x), training=training), x) for x in features)

    def compute_output_shape(self, input_shape):
        return tuple(
            (*shape[:2], *(None if size is None else -(-size // self.strides) for size in shape[2:4]), 2048)
            for shape in input_shape
        )

    def get_config(self):
        return {
            **super().get_config(),
            "blocks": self.blocks,
            "strides": self.strides,
            "deform_blocks": self.deform_blocks,
            **self.options,
        }
