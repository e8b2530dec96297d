"""How long does merging instances and stuff into a panoptic map take?

    python benchmarks/panoptic_merge.py --instances 100 --classes 133

One image on a canvas of 800 x 1344, as an image of 800 x 1333 has it; boxes of all sizes. Prints medians in
milliseconds, all measured in this run, interleaved. The loop in NumPy is what evaluation scripts do: every mask pasted
at full size.
"""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import tensorflow as tf
from absl import app, flags
from interleaved import medians

from panet_tf.ops.masks import paste_masks_numpy
from panet_tf.ops.panoptic_merge import merge_panoptic

FLAGS = flags.FLAGS
flags.DEFINE_integer("instances", 100, "Instances of the image.")
flags.DEFINE_integer("classes", 133, "Categories, 40 % of them stuff, each a class of the semantic head.")
flags.DEFINE_integer("height", 800, "Height of the canvas.")
flags.DEFINE_integer("width", 1344, "Width of the canvas.")
flags.DEFINE_integer("image_width", 1333, "Width of the image on it.")
flags.DEFINE_float("largest", 0.75, "Longest side of a box, as a share of the height.")
flags.DEFINE_integer("repeats", 7, "Measurements of each line.")


def scene():
    """Arrays of one image, and the constants that go with them."""
    rng = np.random.default_rng(0)
    size = np.array([FLAGS.height, FLAGS.width])
    sides = np.exp(rng.uniform(np.log(16), np.log(FLAGS.largest * FLAGS.height), (1, FLAGS.instances, 2)))
    corners = rng.uniform(0, 1, sides.shape) * (size - sides)
    things = FLAGS.classes - FLAGS.classes * 2 // 5
    coarse = rng.normal(size=(1, 7, 11, FLAGS.classes))
    arrays = {
        "masks": rng.uniform(0.2, 1, (1, FLAGS.instances, 28, 28)),
        "boxes": np.concatenate([corners, corners + sides], axis=-1),
        "scores": rng.uniform(0.5, 1, (1, FLAGS.instances)),
        "ranking": rng.uniform(0, 1, (1, FLAGS.instances)),
        "semantic": 3 * tf.image.resize(coarse, size // 4).numpy(),
        "image_sizes": np.array([[FLAGS.height, FLAGS.image_width]]),
    }
    arrays = {name: tf.constant(value, tf.float32) for name, value in arrays.items()}
    arrays["classes"] = tf.constant(rng.integers(1, things + 1, (1, FLAGS.instances)), tf.int32)
    categories = np.arange(1, FLAGS.classes + 1)
    constants = {
        "size": tuple(size.tolist()),
        "thing_category": (0, *range(1, things + 1)),
        "stuff_category": tuple(np.where(categories > things, categories, 0).tolist()),
    }
    return arrays, constants


def in_numpy(arrays, size):
    """The instances alone: every mask at full size, laid down by score."""
    order = np.argsort(-arrays["ranking"][0], kind="stable")
    pasted = paste_masks_numpy(arrays["masks"][0][order], arrays["boxes"][0][order], size)
    panoptic, number = np.zeros(size, np.int32), 0
    for mask in pasted:
        free = mask & (panoptic == 0)
        if mask.any() and mask.sum() - free.sum() <= 0.5 * mask.sum():
            number += 1
            panoptic[free] = number
    return panoptic


def main(_):
    tf.get_logger().setLevel("ERROR")  # each line is a function of its own: no advice on retracing
    arrays, constants = scene()

    def line(jit_compile=False, **options):
        function = tf.function(
            lambda arrays: merge_panoptic(**arrays, **constants, **options), jit_compile=jit_compile, autograph=False
        )
        return lambda: function(arrays)["panoptic"].numpy()

    lines = {
        "total stuff area": line(),
        "total stuff area, stuff among itself": line(thing_classes="dropped"),
        "connected stuff area, at stride 4": line(stuff_area="connected", min_stuff_area=4900),
        "connected stuff area, at stride 1": line(stuff_area="connected", min_stuff_area=4900, connected_stride=1),
        "total stuff area, on the whole canvas": line(implementation="portable"),
        "total stuff area, XLA": line(jit_compile=True),
    }
    plain = {name: value.numpy() for name, value in arrays.items()}
    lines["NumPy, instances alone"] = lambda: in_numpy(plain, constants["size"])
    found = lines["NumPy, instances alone"]()
    share = float(tf.reduce_mean(tf.reduce_prod(arrays["boxes"][..., 2:] - arrays["boxes"][..., :2], -1)))
    share /= FLAGS.height * FLAGS.width
    print(
        f"{FLAGS.instances} instances ({found.max()} shown; boxes of {share:.1%} of the canvas on average), "
        f"{FLAGS.classes} classes, {FLAGS.height} x {FLAGS.width}, {os.cpu_count()} cores"
    )
    for name, value in medians(lines, FLAGS.repeats).items():
        print(f"{name:44}{value:9.1f} ms")


if __name__ == "__main__":
    app.run(main)
