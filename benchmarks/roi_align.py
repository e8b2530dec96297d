"""How fast is RoIAlign over a pyramid, in each implementation, and beside torchvision's when that is installed?

    python benchmarks/roi_align.py --rois 512 --output_size 7

Prints milliseconds and the ratio to the first line (below 1 is faster), all measured in this run, interleaved, medians.
"""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import tensorflow as tf
from absl import app, flags
from interleaved import print_ratios

from panet_tf.ops.fpn_level import fpn_level
from panet_tf.ops.roi_align import roi_align, roi_align_levels

FLAGS = flags.FLAGS
flags.DEFINE_integer("rois", 512, "RoIs of the image.")
flags.DEFINE_integer("output_size", 7, "Bins a side.")
flags.DEFINE_integer("channels", 256, "Channels of every level.")
flags.DEFINE_integer("samples", 2, "Points of a bin a side; 0 adapts.")
flags.DEFINE_integer("height", 800, "Height of the network's input.")
flags.DEFINE_integer("width", 1344, "Width of the network's input.")
flags.DEFINE_integer("repeats", 7, "Measurements of each line.")


def inputs():
    """One image's pyramid P2..P5 and RoIs of all sizes inside it."""
    rng = np.random.default_rng(0)
    size = np.array([FLAGS.height, FLAGS.width])
    levels = {f"P{n}": rng.normal(size=(1, *(-(-size // 2**n)), FLAGS.channels)).astype("float32") for n in range(2, 6)}
    sides = np.exp(rng.uniform(np.log(16), np.log(size.min() * 0.9), (1, FLAGS.rois, 2)))
    corners = rng.uniform(0, 1, sides.shape) * (size - sides)
    return levels, np.concatenate([corners, corners + sides], axis=-1).astype("float32")


def ours(levels, rois):
    """Name -> function without arguments, for every implementation, forward and with gradients."""
    levels = {level: tf.constant(features) for level, features in levels.items()}
    rois = tf.constant(rois)
    kwargs = {"output_size": FLAGS.output_size, "samples": FLAGS.samples}

    def from_one_level(levels, implementation):
        level_index = fpn_level(rois) - 2
        return roi_align_levels(levels, rois, level_index, implementation=implementation, **kwargs)

    def from_all_levels(levels, implementation):
        pooled = [
            roi_align(features, rois, stride=4 << n, implementation=implementation, **kwargs)
            for n, features in enumerate(levels.values())
        ]
        return tf.add_n(pooled)

    def with_gradient(pool):
        def run(levels, implementation):
            with tf.GradientTape() as tape:
                tape.watch(levels)
                loss = tf.reduce_sum(pool(levels, implementation) ** 2)
            return tape.gradient(loss, levels)

        return run

    lines = {}
    what = {
        "one level a RoI": from_one_level,
        "one level a RoI, with gradient": with_gradient(from_one_level),
        "all four levels (PANet)": from_all_levels,
        "all four levels (PANet), with gradient": with_gradient(from_all_levels),
    }
    for name, pool in what.items():
        for implementation, jit_compile in (("crop_and_resize", False), ("gather", False), ("gather", True)):
            function = tf.function(pool, jit_compile=jit_compile, autograph=False)
            label = f"{name}: {implementation}{' + XLA' if jit_compile else ''}"
            lines[label] = lambda f=function, i=implementation: tf.nest.map_structure(tf.identity, f(levels, i))
    return lines


def peers(levels, rois):
    """The same by torchvision, where it is installed."""
    try:
        import torch
        import torchvision
    except ImportError:
        print("torchvision is not installed: its lines are left out.")
        return {}
    pooler = torchvision.ops.MultiScaleRoIAlign(list(levels), FLAGS.output_size, FLAGS.samples or -1)
    tensors = {k: torch.from_numpy(v.transpose(0, 3, 1, 2).copy()).requires_grad_() for k, v in levels.items()}
    boxes = [torch.from_numpy(rois[0][:, [1, 0, 3, 2]].copy())]
    shapes = [(FLAGS.height, FLAGS.width)]

    def forward():
        with torch.no_grad():
            pooler(tensors, boxes, shapes)

    def with_gradient():
        (pooler(tensors, boxes, shapes) ** 2).sum().backward()

    return {"one level a RoI: torchvision": forward, "one level a RoI, with gradient: torchvision": with_gradient}


def main(_):
    tf.get_logger().setLevel("ERROR")  # each line is a function of its own: no advice on retracing
    levels, rois = inputs()
    lines = {**ours(levels, rois), **peers(levels, rois)}
    bins = f"{FLAGS.output_size} x {FLAGS.output_size} bins"
    title = f"{FLAGS.rois} RoIs, {bins}, {FLAGS.channels} channels, {os.cpu_count()} cores"
    print_ratios(title, lines, FLAGS.repeats, width=62)


if __name__ == "__main__":
    app.run(main)
