"""Measures the average precision, and the panoptic quality where it predicts maps, of a trained model.

Examples:
  python scripts/evaluate.py --gin_file quickstart.gin --model runs/quickstart/model.keras --output metrics.json
  python scripts/evaluate.py --model coco.keras --gin_file runs/evaluate.gin --gin_file data/coco.gin --max_images 100
"""

import json
import pathlib

import gin
from absl import app, flags

import panet_tf
from panet_tf.inference.load_model import load_model

flags.DEFINE_string("model", None, "A .keras file, or a training folder that holds model.keras.", required=True)
flags.DEFINE_multi_string(
    "gin_file", [], "Gin files, on disk or among the packaged ones (data/coco.gin); may be given several times."
)
flags.DEFINE_multi_string("gin_bindings", [], "Single bindings that win over files; may be given several times.")
flags.DEFINE_multi_string("gin_search_paths", [], "Further folders in which gin files are looked for.")
flags.DEFINE_string("output", None, "JSON file for the metrics; they are printed in any case.")
flags.DEFINE_string("submission", None, "Folder for panoptic predictions in COCO's format; their JSON lies beside it.")
flags.DEFINE_integer("max_images", None, "Look at this many images only, for a quick check.", lower_bound=1)
FLAGS = flags.FLAGS


def main(_):
    panet_tf.gin_setup.parse_gin(FLAGS.gin_file, FLAGS.gin_bindings, search_paths=FLAGS.gin_search_paths)
    model = load_model(FLAGS.model)
    given = {name: FLAGS[name].value for name in ("max_images", "submission") if FLAGS[name].value is not None}
    metrics = gin.get_configurable("panet_tf.evaluate")(model, **given)
    for name, value in metrics.items():
        print(f"{name:14s} {value:.4f}")
    if FLAGS.output:
        pathlib.Path(FLAGS.output).parent.mkdir(parents=True, exist_ok=True)
        pathlib.Path(FLAGS.output).write_text(json.dumps(metrics, indent=2) + "\n")


if __name__ == "__main__":
    app.run(main)
