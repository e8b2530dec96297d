"""Converts a checkpoint of another program to a .keras file of a model that does what its source does.

Backbone, heads and classes are told by the names and shapes in the file; the report says what was loaded, what was
left, and which conventions were set. Nothing in the file is run, and torch is not needed.

Examples:
  python scripts/convert_weights.py --source torchvision maskrcnn_resnet50_fpn_coco-bf2d0c1e.pth mask_rcnn.keras
  python scripts/convert_weights.py --source detectron2 model_final_a54504.pkl mask_rcnn.keras
  python scripts/convert_weights.py --source mmdetection --categories train.json --style caffe latest.pth own.keras
  python scripts/convert_weights.py --gin_file models/mask_rcnn_r50_fpn.gin --gin_bindings 'resnet.weights = None' \\
    --gin_bindings 'freeze.stages = 4' model_final_a54504.pkl frozen.keras
"""

import json

import gin
from absl import app, flags

from panet_tf.gin_setup import parse_gin
from panet_tf.weights.sources import NAMES, STYLES

flags.DEFINE_enum("source", None, NAMES, "The program that wrote the file. The names in it tell when left out.")
flags.DEFINE_enum("style", None, STYLES, "What its backbone began with: torchvision's weights, or MSRA's of Caffe.")
flags.DEFINE_float("epsilon", None, "Of the backbone's batch norms. The program's when left out.")
flags.DEFINE_string("categories", None, "COCO JSON whose categories the classes are. COCO's or numbers when left out.")
flags.DEFINE_multi_string("gin_file", [], "Gin files that define MODEL, in place of the architecture that is told.")
flags.DEFINE_multi_string("gin_bindings", [], "Single bindings on top; may be given several times.")
FLAGS = flags.FLAGS


def main(argv):
    if len(argv) != 3:
        raise app.UsageError("two files are needed, the checkpoint and OUT.keras.")
    if not argv[2].endswith(".keras"):
        raise app.UsageError(f"the second file must end in .keras, received {argv[2]}.")
    model = ["from_checkpoint.model = %MODEL"] if FLAGS.gin_file else []
    parse_gin(FLAGS.gin_file, [*model, *FLAGS.gin_bindings])
    categories = None
    if FLAGS.categories:
        with open(FLAGS.categories) as file:
            categories = json.load(file)["categories"]
    convert = gin.get_configurable("from_checkpoint")
    found = convert(argv[1], source=FLAGS.source, style=FLAGS.style, epsilon=FLAGS.epsilon, categories=categories)
    found.save(argv[2])
    print(f"Saved {argv[2]}: {found.name}, {found.count_params():,} weights")


if __name__ == "__main__":
    app.run(main)
