"""How long do the proposals of one image take, and what of it the refinement of the best 500?

    python benchmarks/sharp_mask.py --height 480 --width 640 --proposals 500

ResNet-50 to conv4, random weights. Prints milliseconds of wall clock (the best of several) and of all cores together:
the network on the image at all scales, DeepMask's decoding of the best windows, SharpMask's refinement of them in one
batch, its skip features (once an image), and everything. The thesis has .46 s for DeepMask-ours and .76 s for
SharpMask, on a K40m GPU.
"""

import os
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import tensorflow as tf
from absl import app, flags

from panet_tf.models.detector_inputs import complete_inputs
from panet_tf.models.proposal_windows import proposal_scales
from panet_tf.models.sharp_mask import sharp_mask

FLAGS = flags.FLAGS
flags.DEFINE_integer("height", 480, "Pixels, a multiple of 32.")
flags.DEFINE_integer("width", 640, "Pixels, a multiple of 32.")
flags.DEFINE_integer("proposals", 500, "Windows that are refined.")
flags.DEFINE_integer("zoom", 0, "Finer scales: 1 or 2.")
flags.DEFINE_integer("repeats", 3, "Measurements of each line, beside the first, which traces.")


def main(_):
    model = sharp_mask(max_proposals=FLAGS.proposals, scales=proposal_scales(zoom=FLAGS.zoom))
    coarse = sharp_mask(forward=model, max_proposals=FLAGS.proposals, scales=model.scales, coarse=True)
    image = np.random.default_rng(0).standard_normal((1, FLAGS.height, FLAGS.width, 3))
    inputs = complete_inputs(tf.constant(image, tf.float32))

    def best(windows):
        return tf.math.top_k(windows["scores"], k=FLAGS.proposals)[1]

    forward = tf.function(lambda: {**coarse.windows(inputs), "shared": ()})
    with_skip = tf.function(lambda: model.windows(inputs))
    windows = with_skip()
    chosen = best(windows)
    decode = tf.function(lambda w, i: coarse.mask_logits(w, i))
    refine = tf.function(lambda w, i: model.mask_logits(w, i))
    whole = tf.function(lambda: model(inputs, training=False)["scores"])
    steps = {
        f"network at {len(model.scales)} scales": forward,
        "network and skip features": with_skip,
        f"coarse masks of {FLAGS.proposals}": lambda: decode(windows, chosen),
        f"refined masks of {FLAGS.proposals}": lambda: refine(windows, chosen),
        "SharpMask, all": whole,
        "DeepMask, all": tf.function(lambda: coarse(inputs, training=False)["scores"]),
    }
    print(f"{FLAGS.height} x {FLAGS.width}, {windows['scores'].shape[1]} windows         wall ms     cores ms")
    for name, step in steps.items():
        found = []
        for _ in range(FLAGS.repeats + 1):
            start = time.perf_counter(), time.process_time()
            tf.nest.map_structure(lambda x: x.numpy(), tf.nest.flatten(step()))
            found.append((time.perf_counter() - start[0], time.process_time() - start[1]))
        wall, cores = (1000 * min(values) for values in zip(*found[1:]))
        print(f"{name:32s} {wall:12.0f} {cores:12.0f}", flush=True)


if __name__ == "__main__":
    app.run(main)
