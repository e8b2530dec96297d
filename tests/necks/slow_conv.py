"""Convolution, group norm and ReLU one cell at a time in NumPy: the twin that necks are compared with."""

import numpy as np


def conv(x, kernel, bias=0.0, stride=1):
    """(H, W, C) with kernel (k, k, C, F): k // 2 zeros on every side."""
    size = kernel.shape[0]
    pad = size // 2
    padded = np.pad(np.asarray(x, "float64"), ((pad, pad), (pad, pad), (0, 0)))
    height, width = (-(-side // stride) for side in x.shape[:2])
    out = np.zeros((height, width, kernel.shape[-1]))
    for i in range(height):
        for j in range(width):
            window = padded[i * stride : i * stride + size, j * stride : j * stride + size]
            out[i, j] = np.tensordot(window, kernel, 3)
    return out + bias


def group_norm(x, gamma, beta, groups):
    """(H, W, C), epsilon 1e-5."""
    parts = x.reshape(*x.shape[:2], groups, -1)
    mean = parts.mean(axis=(0, 1, 3), keepdims=True)
    variance = parts.var(axis=(0, 1, 3), keepdims=True)
    return ((parts - mean) / np.sqrt(variance + 1e-5)).reshape(x.shape) * gamma + beta


def relu(x):
    return np.maximum(x, 0)


def block(x, layer, stride=1):
    """What a ConvBlock without norm computes, of its own weights."""
    kernel, *bias = (np.asarray(w) for w in layer.weights)
    return conv(x, kernel, bias[0] if bias else 0.0, stride)
