"""How long does panoptic quality of 500 image pairs in memory take, beside panopticapi's counting?

    python benchmarks/panoptic_quality.py --pairs 500 --segments 20

Prints seconds of one core for all pairs, of maps in blocks (as images are) and of maps of noise (hardly two neighbours
alike), and the ratio to counting the ids and their pairs with `numpy.unique`, as panopticapi does; a tenth of the pairs
measures that.
"""

import os
import statistics
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
from absl import app, flags

from panet_tf.evaluation.panoptic_quality import PanopticQuality

FLAGS = flags.FLAGS
flags.DEFINE_integer("pairs", 500, "Pairs of maps.")
flags.DEFINE_integer("segments", 20, "Segments of a map.")
flags.DEFINE_integer("height", 480, "Height of the maps.")
flags.DEFINE_integer("width", 640, "Width of the maps.")
flags.DEFINE_integer("repeats", 3, "Measurements.")
CATEGORIES = tuple({"id": k, "name": str(k), "isthing": int(k < 4)} for k in range(1, 7))


def pair(rng, block):
    """A true map and a prediction that agrees in two thirds of the blocks; ids of 24 bits."""
    rows, columns = -(-FLAGS.height // block), -(-FLAGS.width // block)
    numbers = rng.integers(0, FLAGS.segments, (2, rows, columns))
    numbers[1] = np.where(rng.random((rows, columns)) < 0.67, numbers[0], numbers[1])
    images = []
    for labels in numbers:
        ids = rng.choice(2**24 - 1, FLAGS.segments, replace=False).astype("int32") + 1
        labels = ids[labels].repeat(block, 0).repeat(block, 1)[: FLAGS.height, : FLAGS.width].copy()
        present = np.unique(labels).tolist()
        images += [labels, [{"id": i, "category_id": k % 6 + 1} for k, i in enumerate(ids.tolist()) if i in present]]
    return images


def unique_counts(pairs):
    """The part of panopticapi's evaluation that takes its time: two sorts of all pixels."""
    for truth, _, prediction, _ in pairs:
        np.unique(prediction, return_counts=True)
        np.unique(truth.astype(np.uint64) * 256**3 + prediction.astype(np.uint64), return_counts=True)


def seconds(function, pairs):
    begin = time.process_time()  # all of it runs in one thread
    function(pairs)
    return time.process_time() - begin


def all_pairs(pairs):
    quality = PanopticQuality(CATEGORIES)
    for _ in range(FLAGS.pairs // len(pairs)):
        for one in pairs:
            quality.update(*one)
    return quality


def main(_):
    print(f"{FLAGS.pairs} pairs of {FLAGS.width} x {FLAGS.height}, {FLAGS.segments} segments each")
    print(f"{'maps':20}{'seconds':>9}{'numpy.unique':>14}{'ratio':>8}")
    for name, block in (("blocks of 20 pixels", 20), ("noise", 1)):
        rng = np.random.default_rng(0)
        pairs = [pair(rng, block) for _ in range(max(FLAGS.pairs // 10, 1))]
        ours, theirs = [], []
        for _ in range(FLAGS.repeats):
            ours.append(seconds(all_pairs, pairs))
            theirs.append(seconds(unique_counts, pairs) * FLAGS.pairs / len(pairs))
        ours, theirs = statistics.median(ours), statistics.median(theirs)
        print(f"{name:20}{ours:9.2f}{theirs:14.2f}{ours / theirs:8.2f}")


if __name__ == "__main__":
    app.run(main)
