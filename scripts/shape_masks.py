"""Guesses masks from boxes by the mean shapes of a training set: the floor that learned masks must beat.

Examples:
  python scripts/shape_masks.py --train coco/annotations/instances_train2017.json \\
    --annotations coco/annotations/instances_val2017.json
  python scripts/shape_masks.py --train train.json --annotations val.json --boxes detections.json --output runs/shapes

Boxes are the true ones unless --boxes gives a detector's COCO results. Into the output folder go shapes.npz, their
picture (shapes.png), the results with masks (results.json) and the numbers (shape_masks.json).
"""

import json
import pathlib

from absl import app, flags
from PIL import Image

from panet_tf.inference.shape_mask_baseline import shape_mask_baseline
from panet_tf.inference.shape_masks import ShapeMasks
from panet_tf.visualization.shape_gallery import shape_gallery

flags.DEFINE_string("train", None, "COCO JSON file that shapes are learned from, or shapes.npz.", required=True)
flags.DEFINE_string("annotations", None, "COCO JSON file that masks are compared with.", required=True)
flags.DEFINE_string("boxes", None, "COCO results with boxes. The true boxes where left out.")
flags.DEFINE_integer("num_aspects", 3, "Shapes of a category, from tall to wide.", lower_bound=1)
flags.DEFINE_integer("size", 28, "Places a side of a shape.", lower_bound=1)
flags.DEFINE_float("prior", 20, "Instances that a wider mean counts as in that of few.", lower_bound=0)
flags.DEFINE_string("output", None, "Folder of the shapes, the results and the numbers.")
FLAGS = flags.FLAGS


def main(_):
    given = [f"--{name}" for name in ("num_aspects", "size", "prior") if FLAGS[name].present]
    if FLAGS.train.endswith(".npz") and given:
        raise app.UsageError(f"{', '.join(given)}: {FLAGS.train} holds shapes that were learned already.")
    if FLAGS.train.endswith(".npz"):
        shapes = ShapeMasks.load(FLAGS.train)
    else:
        shapes = ShapeMasks.learned(FLAGS.train, size=FLAGS.size, num_aspects=FLAGS.num_aspects, prior=FLAGS.prior)
    judged = shape_mask_baseline(shapes, FLAGS.annotations, boxes=FLAGS.boxes)
    print(f"Mean shapes cover what at least {shapes.threshold:.2f} of the instances cover.\n")
    print("| masks | AP | AP50 | AP75 | overlap of correct boxes |\n|---|---|---|---|---|")
    for kind, text in (("shape", "mean shapes"), ("box", "whole boxes")):
        found = judged[kind]
        numbers = [*(found[name] for name in ("AP", "AP50", "AP75")), found["overlap"]["mean"]]
        print("|".join(["", f" {text} ", *(f" {100 * n:.1f} " if n >= 0 else " - " for n in numbers), ""]))
    if judged["skipped"]:
        print(f"\n{judged['skipped']} of the boxes in {FLAGS.boxes} could not be used.")
    if FLAGS.output:
        output = pathlib.Path(FLAGS.output)
        output.mkdir(parents=True, exist_ok=True)
        shapes.save(output / "shapes.npz")
        picture = shape_gallery(shapes.means, shapes.names, threshold=shapes.threshold)
        Image.fromarray(picture).save(output / "shapes.png")
        (output / "results.json").write_text(json.dumps(judged.pop("results")))
        (output / "shape_masks.json").write_text(json.dumps(judged, indent=1) + "\n")


if __name__ == "__main__":
    app.run(main)
