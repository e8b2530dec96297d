"""Draws where a dense detector's loss comes from, for several gammas: Figure 5.3 of Lin's thesis.

Examples:
  python scripts/loss_distribution.py --model runs/losses/focal/seed_0 --output runs/loss_distribution \\
    --gin_file runs/loss_distribution.gin --gin_file runs/compare_losses.gin
  python scripts/loss_distribution.py --model runs/retinanet --output runs/loss_distribution \\
    --gin_file runs/loss_distribution.gin --gin_file data/coco.gin \\
    --gin_bindings 'loss_distribution.gammas = (0.0, 2.0, 5.0)'

Into the output folder go loss_distribution.png and loss_distribution.json.
"""

import json
import pathlib

import gin
import numpy as np
from absl import app, flags
from PIL import Image

import panet_tf
from panet_tf.inference.load_model import load_model
from panet_tf.visualization.line_chart import line_chart
from panet_tf.visualization.side_by_side import side_by_side

flags.DEFINE_string("model", None, "A .keras file, or the model_dir of a run that has ended.", required=True)
flags.DEFINE_string("output", None, "Folder of the picture and the numbers.", required=True)
flags.DEFINE_multi_string("gin_file", None, "runs/loss_distribution.gin, and files with the data.", required=True)
flags.DEFINE_multi_string("gin_bindings", [], "Single bindings on top; may be given several times.")
FLAGS = flags.FLAGS


def main(_):
    panet_tf.gin_setup.parse_gin(FLAGS.gin_file, FLAGS.gin_bindings)
    found = gin.get_configurable("panet_tf.loss_distribution")(load_model(FLAGS.model))
    output = pathlib.Path(FLAGS.output)
    output.mkdir(parents=True, exist_ok=True)
    charts = []
    for kind in ("positive", "negative"):
        curves = {f"gamma = {gamma:g}": (found["fraction"], curve) for gamma, curve in found[kind].items()}
        labels = {"x_label": f"fraction of {kind} examples", "y_label": "cumulative share of loss"}
        charts.append(line_chart(curves, title=f"{found[f'num_{kind}']:,} {kind}s", y_range=(0, 1), **labels))
        for gamma, curve in found[kind].items():
            hardest = 1 - np.interp(0.8, found["fraction"], curve)
            print(f"{kind}, gamma {gamma:g}: the hardest fifth has {hardest:.1%} of the loss")
    Image.fromarray(side_by_side(charts)).save(output / "loss_distribution.png")
    (output / "loss_distribution.json").write_text(json.dumps(found, default=np.ndarray.tolist, indent=1) + "\n")


if __name__ == "__main__":
    app.run(main)
