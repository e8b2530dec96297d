"""Prints parameters and multiply-adds of models, found from their graphs: no weights are made.

Examples:
  python scripts/count.py --gin_file models/panet_r50.gin --gin_file models/mask_rcnn_r50_c4.gin  # a line each
  python scripts/count.py --gin_file models/mask_rcnn_r50_fpn.gin+backbones/senet154.gin  # two files, one model
  python scripts/count.py  # all backbones with their classifiers, at 224 x 224
"""

import gin
from absl import app, flags

from panet_tf import backbones
from panet_tf.gin_setup import parse_gin
from panet_tf.models.cost import model_cost

flags.DEFINE_multi_string("gin_file", [], "Gin files of a model, joined by +; a line each time that it is given.")
flags.DEFINE_multi_string("gin_bindings", [], "Single bindings on top; may be given several times.")
flags.DEFINE_integer("num_classes", 80, "Classes of detectors.")
flags.DEFINE_integer("height", 800, "Height of a detector's image.")
flags.DEFINE_integer("width", 1344, "Width of a detector's image.")
FLAGS = flags.FLAGS

WITHOUT_FILES = ("resnet.weights = None", "mobilenet_v2.weights = None", "efficientnet_lite0.weights = None")
BACKBONES = {
    **{f"ResNet-{depth}": (backbones.resnet, {"depth": depth}) for depth in (18, 34, 50, 101, 152, 269)},
    **{
        f"ResNeXt-{depth} {groups}x{width}d": (
            backbones.resnext,
            {"depth": depth, "groups": groups, "width_per_group": width},
        )
        for depth, groups, width in ((50, 32, 4), (101, 32, 4), (101, 32, 8), (101, 64, 4), (152, 32, 8))
    },
    **{f"SE-ResNet-{depth}": (backbones.se_resnet, {"depth": depth}) for depth in (50, 101)},
    **{f"SE-ResNeXt-{depth} 32x4d": (backbones.se_resnext, {"depth": depth}) for depth in (50, 101)},
    "SENet-154": (backbones.senet154, {}),
    "MobileNetV2": (backbones.mobilenet_v2, {}),
}


def detector():
    categories = [{"id": i, "name": str(i)} for i in range(1, FLAGS.num_classes + 1)]
    return gin.query_parameter("MODEL/gin.macro.value")(categories=categories)


def main(_):
    print(f"{'':60}{'parameters':>12}{'multiply-adds':>16}")
    for files in FLAGS.gin_file:
        parse_gin(files.split("+"), (*WITHOUT_FILES, *FLAGS.gin_bindings))
        line(files, model_cost(detector, (FLAGS.height, FLAGS.width)))
    for name, (function, kwargs) in BACKBONES.items() if not FLAGS.gin_file else ():
        line(name, model_cost(lambda f=function, k=kwargs: backbones.classifier(f(**k))))


def line(name, cost):
    print(f"{name:60}{cost['parameters'] / 1e6:10.2f} M{cost['multiply_adds'] / 1e9:14.2f} G", flush=True)


if __name__ == "__main__":
    app.run(main)
