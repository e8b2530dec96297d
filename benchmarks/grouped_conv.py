"""How fast is a convolution in groups, in each implementation, beside Keras's own and a dense one of equal width?

    python benchmarks/grouped_conv.py --groups 32 --width 4

Prints milliseconds and the ratio to Keras's own (below 1 is faster) at three resolutions of a ResNeXt (800 x 1344), all
measured in this run, interleaved, medians.
"""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import tensorflow as tf
from absl import app, flags
from interleaved import medians

from panet_tf.ops.grouped_conv import grouped_conv

FLAGS = flags.FLAGS
flags.DEFINE_integer("groups", 32, "Groups of channels.")
flags.DEFINE_integer("width", 4, "Channels of a group in the first stage; each stage has twice as many.")
flags.DEFINE_integer("repeats", 5, "Measurements of each line.")
flags.DEFINE_bool("slow", True, "Whether Keras's own is measured with gradients, which takes seconds a call.")


def lines_of(height, width, channels):
    """Name -> (forward, with gradients), functions without arguments."""
    rng = np.random.default_rng(0)
    x = tf.constant(rng.normal(size=(1, height, width, channels)), tf.float32)
    grouped = tf.constant(0.05 * rng.normal(size=(3, 3, channels // FLAGS.groups, channels)), tf.float32)
    dense = tf.constant(0.05 * rng.normal(size=(3, 3, channels, channels)), tf.float32)

    def line(convolve, kernel, jit_compile=None, gradients=True):
        def backward(x, kernel):
            with tf.GradientTape() as tape:
                tape.watch([x, kernel])
                loss = tf.reduce_sum(convolve(x, kernel) ** 2)
            return tape.gradient(loss, [x, kernel])

        forward, backward = (tf.function(f, jit_compile=jit_compile, autograph=False) for f in (convolve, backward))
        whole = [lambda f=f: tf.nest.map_structure(lambda y: y.numpy(), f(x, kernel)) for f in (forward, backward)]
        return whole[0], whole[1] if gradients else None

    def ours(name):
        return lambda x, kernel: grouped_conv(x, kernel, implementation=name)

    def kerass(x, kernel):
        return keras.ops.conv(x, kernel, 1, "same")

    return {
        "Keras's own": line(kerass, grouped, gradients=FLAGS.slow),
        "native": line(ours("native"), grouped),
        "merged": line(ours("merged"), grouped),
        "split": line(ours("split"), grouped),
        "merged + XLA": line(ours("merged"), grouped, jit_compile=True),
        "dense, no groups": line(kerass, dense),
    }


def main(_):
    tf.get_logger().setLevel("ERROR")  # each line is a function of its own: no advice on retracing
    print(f"3x3 convolutions in {FLAGS.groups} groups, {os.cpu_count()} cores")
    print(f"{'':42}{'forward':>16}{'with gradients':>20}")
    for stage, (height, width) in enumerate(((100, 168), (50, 84), (25, 42)), start=1):
        channels = FLAGS.groups * FLAGS.width * 2**stage
        pairs = lines_of(height, width, channels)
        functions = {(name, i): pair[i] for name, pair in pairs.items() for i in (0, 1) if pair[i] is not None}
        times = medians(functions, FLAGS.repeats, limit=5.0)  # Keras's own takes seconds a call
        for name in pairs:
            columns = ""
            for i in (0, 1):
                value, first = times.get((name, i)), times.get(("Keras's own", i))
                ratio = f"{value / first:8.3f}" if value and first else f"{'':8}"
                columns += f"{value:10.1f} ms{ratio}" if value else f"{'':21}"
            print(f"{f'{height} x {width} x {channels}: {name}':38}{columns}")


if __name__ == "__main__":
    app.run(main)
