"""What residual networks have in common: convolutions, blocks and stages of a functional model."""

import keras

from panet_tf.layers.deform_conv import DeformConv
from panet_tf.layers.grouped_conv import GroupedConv
from panet_tf.layers.non_local import NonLocalBlock
from panet_tf.layers.norms import check_norm, make_norm
from panet_tf.layers.squeeze_excite import SqueezeExcite
from panet_tf.layers.symmetric_padding import SymmetricPadding

LEVELS = ("C2", "C3", "C4", "C5")
BLOCKS = ("basic", "bottleneck", "senet")
PADDINGS = ("zeros", "symmetric")


class ResidualBuilder:
    """Adds the parts of one residual network to a functional model, all by the same rules.

    Both sides are padded alike, as in torch. Layers are called as in torchvision, with "_" for ".": `layer1_0_conv1`.

    Args:
        block: `"basic"`, two 3x3 convolutions; `"bottleneck"`, 1x1, 3x3, 1x1; `"senet"`, SENet-154's bottleneck, whose
            first convolution has half the channels of the second.
        norm, epsilon: of every norm; `None` for convolutions with biases.
        stride_in: convolution of a bottleneck that strides, `"3x3"` or `"1x1"`.
        groups, width_per_group: of the 3x3 convolution of a bottleneck (ResNeXt, section 3).
        squeeze: reduction of the squeeze and excitation at the end of every block, or `None` for none.
        downsample_size: side of the convolution of a shortcut that strides.
        deform_modulated, deform_groups: of deformable convolutions.
        padding: `"zeros"`, or `"symmetric"`: every convolution sees the mirrored border (`SymmetricPadding`).
        dtype: dtype policy of every layer. Defaults to the global one.

    Raises:
        ValueError: for an unknown option.
    """

    def __init__(
        self,
        *,
        block="bottleneck",
        norm="frozen_bn",
        epsilon=1e-5,
        stride_in="3x3",
        groups=1,
        width_per_group=64,
        squeeze=None,
        downsample_size=1,
        deform_modulated=False,
        deform_groups=1,
        padding="zeros",
        dtype=None,
    ):
        if stride_in not in ("3x3", "1x1"):
            raise ValueError(f'stride_in must be "3x3" or "1x1", received {stride_in!r}.')
        if block == "basic" and (groups, width_per_group) != (1, 64):
            raise ValueError(f"groups are of bottlenecks, received groups={groups} for basic blocks.")
        if padding not in PADDINGS:
            raise ValueError(f"padding must be one of {PADDINGS}, received {padding!r}.")
        check_norm(norm)
        self.kind = block
        self.padding = padding
        self.norm = norm
        self.epsilon = epsilon
        self.stride_in = stride_in
        self.groups = groups
        self.width_per_group = width_per_group
        self.squeeze = squeeze
        self.downsample_size = downsample_size
        self.deform = {"modulated": deform_modulated, "deform_groups": deform_groups}
        self.dtype = dtype

    def conv(self, x, filters, size, stride, name, norm_name, *, groups=1, dilation=1, deform=False, padded=False):
        """Convolution with symmetric padding, and its norm. Where `padded`, the padding is a layer at stride 1, too."""
        kwargs = {
            "filters": filters,
            "kernel_size": size,
            "strides": stride,
            "dilation_rate": dilation,
            "use_bias": self.norm is None,
            "kernel_initializer": keras.initializers.VarianceScaling(2.0, "fan_out", "untruncated_normal"),
            "name": name,
            "dtype": self.dtype,
        }
        if deform:
            if self.padding != "zeros":
                raise ValueError(f"deformable convolutions see zeros beyond the border, received {self.padding!r}.")
            x = DeformConv(groups=groups, **self.deform, **kwargs)(x)
        else:
            padded |= stride > 1 or self.padding != "zeros"
            if size > 1 and self.padding != "zeros":
                x = SymmetricPadding(padding=dilation * (size // 2), name=f"{name}_pad", dtype=self.dtype)(x)
            elif padded and size > 1:
                x = keras.layers.ZeroPadding2D(size // 2, name=f"{name}_pad", dtype=self.dtype)(x)
            kwargs["padding"] = "valid" if padded else "same"
            x = (GroupedConv(groups=groups, **kwargs) if groups > 1 else keras.layers.Conv2D(**kwargs))(x)
        norm = make_norm(self.norm, name=norm_name, epsilon=self.epsilon, dtype=self.dtype)
        return x if norm is None else norm(x)

    def relu(self, x, name):
        return keras.layers.ReLU(name=name, dtype=self.dtype)(x)

    def stem(self, x, widths=(64,), prefix="", pool_padding=1):
        """Stride 4: a 7x7 convolution, or several 3x3, and a 3x3 max pooling."""
        size = 7 if len(widths) == 1 else 3
        for i, width in enumerate(widths, start=1):
            x = self.conv(x, width, size, 2 if i == 1 else 1, f"{prefix}conv{i}", f"{prefix}bn{i}")
            x = self.relu(x, f"{prefix}relu" if len(widths) == 1 else f"{prefix}relu{i}")
        # Nothing is below zero here, so zeros never win.
        x = keras.layers.ZeroPadding2D(pool_padding, name=f"{prefix}maxpool_pad", dtype=self.dtype)(x)
        return keras.layers.MaxPooling2D(3, strides=2, name=f"{prefix}maxpool", dtype=self.dtype)(x)

    def block(self, x, filters, stride, path, *, dilation=1, deform=False):
        """One residual block; `filters` are those of the first stage's plain bottleneck, 64, times 2 a stage."""
        plan = self._plan(filters, stride)
        width = plan[-1][0]
        shortcut = x
        if stride > 1 or x.shape[-1] != width:
            size = self.downsample_size if stride > 1 else 1
            shortcut = self.conv(x, width, size, stride, f"{path}_downsample_0", f"{path}_downsample_1")
        for i, (channels, size, step, groups) in enumerate(plan, start=1):
            if i > 1:
                x = self.relu(x, f"{path}_relu{i - 1}")
            spread = {"dilation": dilation, "deform": deform and i == 2} if size == 3 else {}
            if self.kind == "bottleneck" and size == 3 and stride > 1:
                spread["padded"] = True  # in either place of the stride, so that an importer can move it
            x = self.conv(x, channels, size, step, f"{path}_conv{i}", f"{path}_bn{i}", groups=groups, **spread)
        if self.squeeze is not None:
            x = SqueezeExcite(reduction=self.squeeze, name=f"{path}_se_module", dtype=self.dtype)(x)
        x = keras.layers.Add(name=f"{path}_add", dtype=self.dtype)([x, shortcut])
        return self.relu(x, f"{path}_relu{len(plan)}")

    def _plan(self, filters, stride):
        """Filters, size, stride and groups of each convolution of a block."""
        if self.kind == "basic":
            return (filters, 3, stride, 1), (filters, 3, 1, 1)
        first, second = (stride, 1) if self.stride_in == "1x1" else (1, stride)
        if self.kind == "senet":
            inner, width = 2 * filters, 4 * filters
        else:
            inner = width = int(filters * self.width_per_group / 64) * self.groups
        return (inner, 1, first, 1), (width, 3, second, self.groups), (4 * filters, 1, 1, 1)

    def stage(self, x, number, blocks, stride, *, dilation=1, deform_last=0, non_local=()):
        """Stage `number` (1 leads to C2): blocks, the first of which strides.

        Args:
            x: tensor of a functional model.
            number: int from 1 to 4.
            blocks: int.
            stride: int.
            dilation: int, of every 3x3 convolution.
            deform_last: int, how many of the last blocks have a deformable 3x3 convolution.
            non_local: indices of blocks that a non-local block follows; negative ones count from the end.

        Returns:
            Tensor.
        """
        wrong = [i for i in non_local if not -blocks <= i < blocks]
        if wrong or deform_last > blocks or (deform_last and self.kind == "basic"):
            raise ValueError(
                f"a stage of {blocks} {self.kind} blocks cannot have non-local blocks behind {tuple(non_local)} and "
                f"{deform_last} deformable bottlenecks."
            )
        behind = {i % blocks for i in non_local}
        for i in range(blocks):
            path = f"layer{number}_{i}"
            deform = i >= blocks - deform_last
            x = self.block(x, 32 * 2**number, stride if i == 0 else 1, path, dilation=dilation, deform=deform)
            if i in behind:
                x = NonLocalBlock(norm=self.norm, name=f"{path}_non_local", dtype=self.dtype)(x)
        return x

    def levels(self, x, counts, *, outputs=None, dilated=False, deform_stages=(), non_local=()):
        """All stages behind a stem of stride 4 that `outputs` need.

        Args:
            x: tensor of a functional model, at stride 4.
            counts: blocks of the four stages.
            outputs: names of the levels to return, or `None` for all.
            dilated: bool, whether the last stage keeps stride 16 and is dilated by 2. A level is named by its stride:
                it is `"C4"` then, in place of the stage below.
            deform_stages: levels whose bottlenecks are all deformable, or pairs of a level and how many of its last
                ones.
            non_local: pairs of a level and the index of a block that a non-local block follows.

        Returns:
            dict of levels, fine to coarse.

        Raises:
            ValueError: for names of no level, or a stage that is not built.
        """
        deform = {name: count for name, count in ((e, None) if isinstance(e, str) else e for e in deform_stages)}
        known = LEVELS[:-1] if dilated else LEVELS
        outputs = known if outputs is None else outputs
        wrong = sorted({*outputs} - {*known}) + sorted(({*deform} | {name for name, _ in non_local}) - {*LEVELS})
        if wrong or not outputs:
            raise ValueError(f"outputs must be of {known} and other levels of {LEVELS}, received {tuple(wrong)}.")
        last = max(LEVELS.index(name) for name in outputs)
        last = 3 if dilated and last == 2 else last
        unbuilt = sorted(name for name in {*deform, *(n for n, _ in non_local)} if LEVELS.index(name) > last)
        if unbuilt:
            raise ValueError(f"stages {unbuilt} are not built for outputs {tuple(outputs)}.")
        found = {}
        for number, (level, blocks) in enumerate(zip(LEVELS[: last + 1], counts), start=1):
            spread = dilated and level == "C5"
            wanted = deform.get(level, 0)
            x = self.stage(
                x,
                number,
                blocks,
                2 if number > 1 and not spread else 1,
                dilation=2 if spread else 1,
                deform_last=blocks if wanted is None else wanted,
                non_local=tuple(i for name, i in non_local if name == level),
            )
            found["C4" if spread else level] = x
        return {level: x for level, x in found.items() if level in outputs}
