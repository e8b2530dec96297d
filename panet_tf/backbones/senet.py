"""Squeeze-and-excitation networks."""

import gin
import keras

from panet_tf.backbones.residual_builder import ResidualBuilder
from panet_tf.weights.loading import load

_BLOCKS = {50: (3, 4, 6, 3), 101: (3, 4, 23, 3), 152: (3, 8, 36, 3)}
_POOL_PADDING = ((0, 1), (0, 1))  # Caffe's pooling, which the published weights are of, rounds its size up instead


@gin.register(module="panet_tf")
def se_resnet(depth=50, *, stride_in="1x1", **kwargs):
    """SE-ResNet (Hu et al., 2018, section 3 and Table 1): a ResNet whose blocks weigh their channels.

    Layers are called as in Cadene's collection, which the authors' Caffe weights were brought to, with "_" for ".":
    `layer0_conv1`, `layer1_0_se_module_fc1`. Images are as for `resnet`.

    Args:
        depth: 50, 101 or 152. Defaults to 50.
        stride_in: as in `resnet`. Defaults to `"1x1"`, the published weights'.
        **kwargs: `norm`, `dilated`, `deform_stages`, `deform_modulated`, `deform_groups`, `non_local`, `outputs`,
            `epsilon`, `weights` and `name` of `resnet`.

    Returns:
        Functional `keras.Model`, as `resnet` gives it, of 256 to 2048 channels.

    Raises:
        ValueError: as `resnet`.

    Example:
        >>> backbone = se_resnet(50, norm="sync_bn")
    """
    return _senet(_blocks(depth), f"se_resnet{depth}", {"stride_in": stride_in}, **kwargs)


@gin.register(module="panet_tf")
def se_resnext(depth=50, *, groups=32, width_per_group=4, **kwargs):
    """SE-ResNeXt (Hu et al., 2018, section 3 and Table 1): a ResNeXt whose blocks weigh their channels.

    Args:
        depth: 50, 101 or 152. Defaults to 50.
        groups, width_per_group: as in `resnext`. Default to 32 and 4.
        **kwargs: as in `se_resnet`.

    Returns:
        Functional `keras.Model`, as `resnet` gives it, of 256 to 2048 channels.

    Raises:
        ValueError: as `resnet`.

    Example:
        >>> backbone = se_resnext(101, norm="sync_bn")
    """
    architecture = f"se_resnext{depth}_{groups}x{width_per_group}d"
    options = {"groups": groups, "width_per_group": width_per_group}
    return _senet(_blocks(depth), architecture, options, **kwargs)


@gin.register(module="panet_tf")
def senet154(**kwargs):
    """SENet-154 (Hu et al., 2018, appendix "ILSVRC 2017 classification competition entry details").

    A 64x4d SE-ResNeXt-152 whose blocks have half the channels in their first 1x1 convolution, whose first 7x7
    convolution is three of 3x3, and whose shortcuts stride in 3x3 convolutions. The dropout of 0.2 before the
    classifier belongs to `classifier`.

    Args:
        **kwargs: as in `se_resnet`.

    Returns:
        Functional `keras.Model`, as `resnet` gives it, of 256 to 2048 channels.

    Raises:
        ValueError: as `resnet`.

    Example:
        >>> backbone = senet154(norm="sync_bn")
    """
    options = {"block": "senet", "groups": 64, "downsample_size": 3}
    return _senet(_BLOCKS[152], "senet154", options, stem=(64, 64, 128), **kwargs)


def _blocks(depth):
    if depth not in _BLOCKS:
        raise ValueError(f"depth must be one of {sorted(_BLOCKS)}, received {depth}.")
    return _BLOCKS[depth]


def _senet(
    counts,
    architecture,
    options,
    *,
    stem=(64,),
    norm="frozen_bn",
    dilated=False,
    deform_stages=(),
    deform_modulated=False,
    deform_groups=1,
    non_local=(),
    outputs=None,
    epsilon=1e-5,
    weights=None,
    name=None,
):
    builder = ResidualBuilder(
        norm=norm,
        epsilon=epsilon,
        squeeze=16,
        deform_modulated=deform_modulated,
        deform_groups=deform_groups,
        **options,
    )
    images = keras.Input((None, None, 3), name="images")
    x = builder.stem(images, stem, "layer0_", _POOL_PADDING)
    levels = builder.levels(
        x, counts, outputs=outputs, dilated=dilated, deform_stages=deform_stages, non_local=non_local
    )
    model = keras.Model(images, levels, name=name or architecture)
    if weights is not None:
        load(model, weights, architecture=architecture)
    return model
