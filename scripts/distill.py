"""Labels images by a model, in several sizes and mirrored, and writes them and the labelled ones as one COCO JSON.

Examples:
  python scripts/distill.py --model runs/mine --output both.json --annotations instances_train.json --images train/ \\
    unlabelled/
  python scripts/distill.py --model runs/mine --output found.json --gin_bindings 'distill.score_threshold = 0.8' photos/

runs/distillation.gin says how it looks at images; another --gin_file takes its place. Then train anew on both, with
data/own_coco_json.gin and the two bindings that are printed.
"""

import gin
from absl import app, flags

from panet_tf.gin_setup import parse_gin
from panet_tf.inference.load_model import load_model

flags.DEFINE_string("model", None, "A .keras file, or the model_dir of a run that has ended.", required=True)
flags.DEFINE_string("output", None, "The JSON that is written.", required=True)
flags.DEFINE_string("annotations", None, "COCO JSON of labelled images, which come first in the output.")
flags.DEFINE_string("images", None, "Folder of the labelled images.")
flags.DEFINE_multi_string("gin_file", ["runs/distillation.gin"], "Gin files; may be given several times.")
flags.DEFINE_multi_string("gin_bindings", [], "Single bindings on top; may be given several times.")
FLAGS = flags.FLAGS


def main(arguments):
    parse_gin(FLAGS.gin_file, FLAGS.gin_bindings)
    predictor = gin.get_configurable("Predictor")(load_model(FLAGS.model), masks="rle")
    counts = gin.get_configurable("distill")(
        predictor, arguments[1:], FLAGS.output, annotations=FLAGS.annotations, annotated_images=FLAGS.images
    )
    folder = counts.pop("folder")
    for name, value in counts.items():
        print(f"{name:20s} {value:.4g}" if isinstance(value, float) else f"{name:20s} {value}")
    for name, reason in predictor.skipped:
        print(f"skipped {name}: {reason}")
    print(f'TRAIN_ANNOTATIONS = "{FLAGS.output}"\nTRAIN_IMAGES = "{folder}"')


if __name__ == "__main__":
    app.run(main)
