"""Measures what the masks of a DeepMask or SharpMask can reach: recall of all windows of images, whatever their scores.

Examples:
  python scripts/dense_mask_recall.py --model runs/table3_1_sharp_mask --max_images 100 \\
    --gin_file papers/lin_thesis/table3_1/sharp_mask.gin --gin_file runs/dense_mask_recall.gin
  python scripts/dense_mask_recall.py --model runs/table3_1_w112_p3_d21 --output dense.json \\
    --gin_file papers/lin_thesis/table3_1/w112_p3_d21.gin --gin_file runs/dense_mask_recall.gin
"""

import json
import pathlib

import gin
from absl import app, flags

import panet_tf
from panet_tf.inference.load_model import load_model

flags.DEFINE_string("model", None, "A .keras file, or a training folder that holds model.keras.", required=True)
flags.DEFINE_multi_string("gin_file", None, "The model's own, and runs/dense_mask_recall.gin.", required=True)
flags.DEFINE_multi_string("gin_bindings", [], "Single bindings that win over files; may be given several times.")
flags.DEFINE_integer("max_images", None, "Look at this many images only.", lower_bound=1)
flags.DEFINE_string("output", None, "JSON file for the numbers; they are printed in any case.")
FLAGS = flags.FLAGS


def main(_):
    panet_tf.gin_setup.parse_gin(FLAGS.gin_file, FLAGS.gin_bindings)
    numbers = gin.get_configurable("panet_tf.dense_mask_recall")(
        load_model(FLAGS.model),
        max_images=FLAGS.max_images,
        progress=lambda count: print(f"{count} images", flush=True),
    )
    for name, value in numbers.items():
        print(f"{name:14s} {value:.4f}")
    if FLAGS.output:
        pathlib.Path(FLAGS.output).parent.mkdir(parents=True, exist_ok=True)
        pathlib.Path(FLAGS.output).write_text(json.dumps(numbers, indent=2) + "\n")


if __name__ == "__main__":
    app.run(main)
