"""Exports a trained model as a SavedModel for TF Serving.

Examples:
  python scripts/export.py --model runs/nuclei --output served/nuclei
  python scripts/export.py --model model.keras --output served/nuclei \\
    --gin_bindings 'Preprocessing.short_side = 512' --gin_bindings 'Preprocessing.canvases = ((512, 512),)' \\
    --gin_bindings 'export_saved_model.preprocessing = @Preprocessing()'
"""

import gin
from absl import app, flags, logging

from panet_tf.gin_setup import parse_gin
from panet_tf.inference.load_model import load_model

flags.DEFINE_string("model", None, "A .keras file, or the model_dir of a run that has ended.", required=True)
flags.DEFINE_string("output", None, "Folder of the served model; versions are its numbered subfolders.", required=True)
flags.DEFINE_integer("version", None, "Version number. One more than the newest when left out.")
flags.DEFINE_multi_string("gin_file", [], "Gin files, as for training; may be given several times.")
flags.DEFINE_multi_string("gin_bindings", [], "Single bindings on top; may be given several times.")
FLAGS = flags.FLAGS


def main(_):
    logging.set_verbosity(logging.WARNING)  # of several canvases Keras logs hundreds of names
    parse_gin(FLAGS.gin_file, FLAGS.gin_bindings)
    model = load_model(FLAGS.model)
    export = gin.get_configurable("export_saved_model")
    folder = export(model, FLAGS.output, version=FLAGS.version)
    print(f"Saved {folder}: signatures serving_default, tensors; full_masks with masks, panoptic with stuff")
    if getattr(model, "takes_proposals", False):
        print("Each takes images and their proposals, float32 (B, P, 4), yxyx in pixels of the images.")


if __name__ == "__main__":
    app.run(main)
