"""Trains a detector from gin files; run it again with the same --model_dir and it continues.

Examples:
  python scripts/train.py --gin_file quickstart.gin --model_dir runs/quickstart
  python scripts/train.py --model_dir runs/mine --gin_file runs/train.gin --gin_file models/panet_mobilenet_v2.gin \\
    --gin_file data/own_coco_json.gin --gin_file schedules/cosine.gin \\
    --gin_bindings 'TRAIN_ANNOTATIONS = "train.json"' --gin_bindings 'TRAIN_IMAGES = "train/"' \\
    --gin_bindings 'EVAL_ANNOTATIONS = "val.json"' --gin_bindings 'EVAL_IMAGES = "val/"' --gin_bindings 'STEPS = 3000'
  python scripts/train.py --model_dir runs/panet --gin_file papers/panet/table3/panet.gin \\
    --gin_bindings 'train.strategy = "mirrored"' --gin_bindings 'BATCH_SIZE = 8'

The folder gets model.keras, checkpoints/, history.csv, metrics.json, images/, operative_config.gin, and logs/.
"""

import gin
from absl import app, flags

import panet_tf

flags.DEFINE_multi_string(
    "gin_file", [], "Gin files, on disk or among the packaged ones (runs/train.gin); may be given several times."
)
flags.DEFINE_multi_string("gin_bindings", [], "Single bindings, such as 'train.steps = 100', that win over files.")
flags.DEFINE_multi_string("gin_search_paths", [], "Further folders in which gin files are looked for.")
flags.DEFINE_string("model_dir", None, "Folder of the run.", required=True)
FLAGS = flags.FLAGS


def main(_):
    panet_tf.gin_setup.parse_gin(FLAGS.gin_file, FLAGS.gin_bindings, search_paths=FLAGS.gin_search_paths)
    gin.get_configurable("panet_tf.train")(model_dir=FLAGS.model_dir)


if __name__ == "__main__":
    app.run(main)
