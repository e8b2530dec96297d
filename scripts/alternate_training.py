"""Trains a region proposal network and a detector one after the other, or by turns until they share their features.

Examples:
  python scripts/alternate_training.py --model_dir runs/apart --gin_file runs/alternate_training.gin \\
    --gin_file models/panet_r50.gin --gin_file data/coco.gin --gin_file schedules/fpn_40k_and_80k.gin
  python scripts/alternate_training.py --model_dir runs/four_steps --gin_bindings 'train.strategy = "mirrored"' \\
    --gin_file papers/lin_thesis/table4_5/r50_shared.gin

The folder gets a run for each step, 1_rpn, 2_detector and, with shared features, 3_rpn and 4_detector, the proposals
between them, and model.keras, the detector of both. Run it again and it continues. scripts/train.py trains both at
once.
"""

import gin
from absl import app, flags

import panet_tf

flags.DEFINE_multi_string("gin_file", None, "runs/alternate_training.gin, a model, data and a schedule.", required=True)
flags.DEFINE_multi_string("gin_bindings", [], "Single bindings, such as 'BATCH_SIZE = 4', that win over files.")
flags.DEFINE_multi_string("gin_search_paths", [], "Further folders in which gin files are looked for.")
flags.DEFINE_string("model_dir", None, "Folder of the runs.", required=True)
FLAGS = flags.FLAGS


def main(_):
    panet_tf.gin_setup.parse_gin(FLAGS.gin_file, FLAGS.gin_bindings, search_paths=FLAGS.gin_search_paths)
    gin.get_configurable("panet_tf.alternate_training")(model_dir=FLAGS.model_dir)


if __name__ == "__main__":
    app.run(main)
