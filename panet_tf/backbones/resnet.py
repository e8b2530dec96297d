"""Residual networks."""

import gin
import keras

from panet_tf.backbones.residual_builder import ResidualBuilder
from panet_tf.weights.loading import load

_BASIC = {18: (2, 2, 2, 2), 34: (3, 4, 6, 3)}
_BOTTLENECK = {50: (3, 4, 6, 3), 101: (3, 4, 23, 3), 152: (3, 8, 36, 3), 269: (3, 30, 48, 8)}


@gin.register(module="panet_tf")
def resnet(
    depth=50,
    *,
    norm="frozen_bn",
    stride_in="3x3",
    groups=1,
    width_per_group=64,
    dilated=False,
    deform_stages=(),
    deform_modulated=False,
    deform_groups=1,
    non_local=(),
    padding="zeros",
    outputs=None,
    epsilon=1e-5,
    weights=None,
    name=None,
):
    """ResNet (He et al., 2016, section 3.3 and Table 1) from images to four levels, with what later papers put into it.

    Both sides are padded alike, as in torch. Layers are called as in torchvision, with "_" for ".": `layer1_0_conv1`.
    Weights expect images in RGB, minus (123.675, 116.28, 103.53), over (58.395, 57.12, 57.375).

    Args:
        depth: 18 or 34 (basic blocks), 50, 101, 152 or 269 (bottlenecks; the last has 3, 30, 48 and 8 of them, as in
            the challenge models of 2016). Defaults to 50.
        norm: `"frozen_bn"`, which is of use with `weights` only; `"batch"`, `"sync_bn"`, `"group"`, or `None` for
            convolutions with biases. Defaults to `"frozen_bn"`.
        stride_in: convolution of a bottleneck that strides, `"3x3"` (torchvision; "ResNet 1.5") or `"1x1"` (the
            paper, and the original Caffe weights). Basic blocks stride in their first one. Defaults to `"3x3"`.
        groups, width_per_group: groups of the 3x3 convolutions, and channels of a group in the first stage: see
            `resnext`. Default to 1 and 64.
        dilated: bool, whether the last stage keeps stride 16, its 3x3 convolutions dilated by 2 (Mask R-CNN, Table 1,
            C5-dilated). A level's name tells its stride: `"C4"` is the last stage then. Defaults to False.
        deform_stages: levels whose 3x3 convolutions are all deformable, as `("C3", "C4", "C5")`, or pairs of a level
            and a number of its last blocks, as `(("C5", 3),)`. Defaults to none.
        deform_modulated: bool, second version of deformable convolution in place of the first. Defaults to False.
        deform_groups: int, groups of channels with offsets of their own. Defaults to 1.
        non_local: pairs of a level and the index of a block that a non-local block follows: `(("C4", -1),)`, behind the
            last block of C4; `(("C4", -2),)`, before it, where Wang et al. (2018) have it. Defaults to none.
        padding: `"zeros"`, or `"symmetric"`: every convolution sees its border mirrored, as networks that are trained
            on patches need it (see `SymmetricPadding`). Defaults to `"zeros"`.
        outputs: names of the levels to return, of which `"C1"`, the stem before its pooling, may be one; stages beyond
            the last of them are left out, as in C4 models. Defaults to `None`: C2 to C5.
        epsilon: float, of the norm. Defaults to 1e-5; 0 for torchvision's published COCO detectors.
        weights: file, or `"imagenet"` or `"imagenet_v2"` for torchvision's two recipes (downloaded). Defaults to
            `None`, He's initialisation.
        name: str. Defaults to `"resnet50"`, `"resnext50_32x4d"` etc.

    Returns:
        Functional `keras.Model`: images float (batch, height, width, 3) to a dict of `"C2"`.. `"C5"`, float
        (batch, ceil(height / 2^n), ceil(width / 2^n), channels), 256 to 2048 channels (64 to 512 for 18 and 34).

    Raises:
        ValueError: for an unknown depth, norm, level or `stride_in`, or what a basic block cannot have.

    Example:
        >>> backbone = resnet(50, weights="imagenet")
        >>> backbone = resnet(101, deform_stages=("C3", "C4", "C5"), non_local=(("C4", -1),), weights="imagenet")
    """
    if depth not in _BASIC | _BOTTLENECK:
        raise ValueError(f"depth must be one of {sorted(_BASIC | _BOTTLENECK)}, received {depth}.")
    builder = ResidualBuilder(
        block="basic" if depth in _BASIC else "bottleneck",
        norm=norm,
        epsilon=epsilon,
        stride_in=stride_in,
        groups=groups,
        width_per_group=width_per_group,
        deform_modulated=deform_modulated,
        deform_groups=deform_groups,
        padding=padding,
    )
    images = keras.Input((None, None, 3), name="images")
    stem = builder.stem(images)
    levels = builder.levels(
        stem,
        (_BASIC | _BOTTLENECK)[depth],
        outputs=outputs and [level for level in outputs if level != "C1"],
        dilated=dilated,
        deform_stages=deform_stages,
        non_local=non_local,
    )
    if outputs and "C1" in outputs:
        levels = {"C1": keras.Model(images, stem).get_layer("relu").output, **levels}
    architecture = f"resnet{depth}"
    if groups > 1:
        architecture = f"resnext{depth}_{groups}x{width_per_group}d"
    elif width_per_group != 64:
        architecture = f"wide_resnet{depth}_{width_per_group // 64}"
    model = keras.Model(images, levels, name=name or architecture)
    if weights is not None:
        load(model, weights, architecture=architecture)
    return model


@gin.register(module="panet_tf")
def resnext(depth=50, *, groups=32, width_per_group=4, **kwargs):
    """ResNeXt (Xie et al., 2017, section 3 and Table 1): a ResNet whose 3x3 convolutions work in groups.

    Args:
        depth: 50, 101 or 152. Defaults to 50.
        groups: int, 32 or 64. Defaults to 32.
        width_per_group: int, channels of a group in the first stage; twice as many in each further one. Defaults to 4:
            32x4d. Detectron's X-101 and X-152 are 32x8d, PANet's ResNeXt-101 is 64x4d.
        **kwargs: of `resnet`.

    Returns:
        Functional `keras.Model`, as `resnet` gives it, of 256 to 2048 channels.

    Raises:
        ValueError: as `resnet`.

    Example:
        >>> backbone = resnext(101, groups=64, width_per_group=4, weights="imagenet")
    """
    return resnet(depth, groups=groups, width_per_group=width_per_group, **kwargs)
