"""Compares orders in which overlapping instances are laid down: learned, and by detection scores that mislead.

Examples:
  python scripts/compare_ranking.py --output runs/ranking
  python scripts/compare_ranking.py --output runs/short --seeds 0 --steps 200

Into the output folder go comparison.md and comparison.json (PQ of things over the seeds), and ranking.png, a pair of
instances with both scores and the ranking map, as in OANet's Figure 7. A few minutes on a CPU; nothing to download.
Other seeds join the table; those of other --steps or numbers of images are refused.
"""

import pathlib

from absl import app, flags
from PIL import Image

from panet_tf.training.comparison import compare
from panet_tf.training.ranking_study import ORDERS, ranking_run

flags.DEFINE_string("output", None, "Folder of the table and the picture.", required=True)
flags.DEFINE_list("seeds", ["0", "1", "2"], "One run of every order for each.")
flags.DEFINE_integer("steps", 600, "Updates of the ranking module.")
flags.DEFINE_integer("train_images", 500, "Images that it learns from.")
flags.DEFINE_integer("eval_images", 200, "Images that it is judged on.")
FLAGS = flags.FLAGS


def sizes():
    return {name: getattr(FLAGS, name) for name in ("steps", "train_images", "eval_images")}


def run(options, seed, folder):
    print(f"== {folder}", flush=True)
    values, picture = ranking_run(**options, seed=seed, **sizes())
    target = pathlib.Path(FLAGS.output) / "ranking.png"
    if picture is not None and not target.exists():
        Image.fromarray(picture).save(target)
    return values


def main(_):
    metrics = ("pq_things", "sq_things", "rq_things")
    seeds = [int(seed) for seed in FLAGS.seeds]
    title = "Orders of overlapping instances, true masks"
    compare(run, ORDERS, seeds, FLAGS.output, metrics=metrics, title=title, settings=sizes())
    print((pathlib.Path(FLAGS.output) / "comparison.md").read_text())


if __name__ == "__main__":
    app.run(main)
