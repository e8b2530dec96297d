"""ResNet and MobileNetV2 once more in NumPy, from torch-named arrays in torch's layout: slow, plain, and not ours in
any line."""

import numpy as np


def conv(x, weight, stride=1, padding=0, groups=1):
    """Convolution of x (channels, height, width) with weight (out, in / groups, kh, kw)."""
    x = np.pad(x, ((0, 0), (padding, padding), (padding, padding)))
    windows = np.lib.stride_tricks.sliding_window_view(x, weight.shape[2:], axis=(1, 2))[:, ::stride, ::stride]
    out = []
    per_group, out_per_group = x.shape[0] // groups, weight.shape[0] // groups
    for g in range(groups):
        part = windows[g * per_group : (g + 1) * per_group].transpose(1, 2, 0, 3, 4)
        kernel = weight[g * out_per_group : (g + 1) * out_per_group]
        out.append(np.tensordot(part, kernel, axes=((2, 3, 4), (1, 2, 3))))
    return np.concatenate(out, axis=-1).transpose(2, 0, 1)


def batch_norm(x, arrays, path, epsilon=1e-5):
    """Inference-mode batch norm of x (channels, height, width)."""
    gamma, beta, mean, variance = (
        arrays[f"{path}.{leaf}"].astype("float64")[:, None, None]
        for leaf in ("weight", "bias", "running_mean", "running_var")
    )
    return (x - mean) / np.sqrt(variance + epsilon) * gamma + beta


def squeeze_excite(x, arrays, path):
    """Channels of x (channels, height, width) weighed by two layers over their means."""
    y = x.mean((1, 2))
    for name in ("fc1", "fc2"):
        y = arrays[f"{path}.{name}.weight"][:, :, 0, 0] @ y + arrays[f"{path}.{name}.bias"]
        y = np.maximum(y, 0) if name == "fc1" else 1 / (1 + np.exp(-y))
    return x * y[:, None, None]


def resnet(arrays, x, *, bottleneck, stride_in="3x3", epsilon=1e-5):
    """C2..C5 of an image x (3, height, width); with layers named `layer0`, of a squeeze-and-excitation network."""

    def step(x, path, norm, stride=1):
        weight = arrays[f"{path}.weight"]
        groups = x.shape[0] // weight.shape[1]
        return batch_norm(conv(x, weight, stride, weight.shape[2] // 2, groups), arrays, norm, epsilon)

    def relu(x):
        return np.maximum(x, 0)

    squeezed = "layer0.conv1.weight" in arrays
    prefix = "layer0." if squeezed else ""
    for i in (1, 2, 3):
        if f"{prefix}conv{i}.weight" in arrays:
            x = relu(step(x, f"{prefix}conv{i}", f"{prefix}bn{i}", 2 if i == 1 else 1))
    x = np.pad(x, ((0, 0), *[(0, 1) if squeezed else (1, 1)] * 2), constant_values=-np.inf)
    x = np.lib.stride_tricks.sliding_window_view(x, (3, 3), axis=(1, 2))[:, ::2, ::2].max((-1, -2))
    levels = []
    for stage in (1, 2, 3, 4):
        i = 0
        while f"layer{stage}.{i}.conv1.weight" in arrays:
            path = f"layer{stage}.{i}"
            stride = 2 if stage > 1 and i == 0 else 1
            shortcut = x
            if f"{path}.downsample.0.weight" in arrays:
                shortcut = step(x, f"{path}.downsample.0", f"{path}.downsample.1", stride)
            first, second = (1, stride) if bottleneck and stride_in == "3x3" else (stride, 1)
            y = relu(step(x, f"{path}.conv1", f"{path}.bn1", first))
            y = step(y, f"{path}.conv2", f"{path}.bn2", second)
            if bottleneck:
                y = step(relu(y), f"{path}.conv3", f"{path}.bn3")
            if squeezed:
                y = squeeze_excite(y, arrays, f"{path}.se_module")
            x = relu(y + shortcut)
            i += 1
        levels.append(x)
    return levels


def mobilenet_v2(arrays, x):
    """Output of each of the 19 features of an image x (3, height, width)."""

    def step(x, path, norm, stride=1, active=True):
        weight = arrays[f"{path}.weight"].astype("float64")
        groups = x.shape[0] if weight.shape[1] == 1 else 1
        x = batch_norm(conv(x, weight, stride, weight.shape[2] // 2, groups), arrays, norm)
        return np.clip(x, 0, 6) if active else x

    x = step(x, "features.0.0", "features.0.1", 2)
    features = [x]
    for i in range(1, 18):
        path, part, y = f"features.{i}.conv", 0, x
        if f"{path}.3.weight" in arrays:
            y, part = step(y, f"{path}.0.0", f"{path}.0.1"), 1
        y = step(y, f"{path}.{part}.0", f"{path}.{part}.1", 2 if i in (2, 4, 7, 14) else 1)
        y = step(y, f"{path}.{part + 1}", f"{path}.{part + 2}", active=False)
        x = x + y if x.shape == y.shape else y
        features.append(x)
    return [*features, step(x, "features.18.0", "features.18.1")]
