"""Trains one detector with several losses and seeds, all for the same steps, and compares their AP.

Examples:
  python scripts/compare_losses.py --output runs/losses --gin_file runs/compare_losses.gin
  python scripts/compare_losses.py --output runs/short --gin_file runs/compare_losses.gin --losses focal,ohem \\
    --seeds 0 --gin_bindings 'STEPS = 300'

Run it again with the same --output and it continues; other losses and seeds join the table. There it leaves
comparison.md, comparison.json and every run. Finished runs of other settings are refused.
"""

import pathlib

import gin
from absl import app, flags

import panet_tf
from panet_tf.training.comparison import compare, trained_metrics
from panet_tf.training.loss_variants import LOSS_VARIANTS

flags.DEFINE_multi_string("gin_file", None, "Gin files of a RetinaNet, data and schedule; not its loss.", required=True)
flags.DEFINE_multi_string("gin_bindings", [], "Single bindings, such as 'STEPS = 100', that win over files.")
flags.DEFINE_string("output", None, "Folder of the runs and the table.", required=True)
flags.DEFINE_list("losses", ["focal", "balanced", "ohem"], f"Which to compare, of {', '.join(LOSS_VARIANTS)}.")
flags.DEFINE_list("seeds", ["0", "1", "2"], "One run of every loss for each.")
FLAGS = flags.FLAGS


def run(bindings, seed, folder):
    bindings = [*bindings, *FLAGS.gin_bindings, f"SEED = {seed}"]
    panet_tf.gin_setup.parse_gin(FLAGS.gin_file, bindings)
    return trained_metrics(gin.get_configurable("panet_tf.train"), folder)


def main(_):
    wanted = {name: LOSS_VARIANTS[name] for name in FLAGS.losses if name in LOSS_VARIANTS}
    if len(wanted) != len(FLAGS.losses):
        raise app.UsageError(f"--losses must be some of {', '.join(LOSS_VARIANTS)}, received {FLAGS.losses}.")
    seeds = [int(seed) for seed in FLAGS.seeds]
    settings = {"gin_file": FLAGS.gin_file, "gin_bindings": FLAGS.gin_bindings}
    compare(run, wanted, seeds, FLAGS.output, title="Losses at equal steps", settings=settings)
    print((pathlib.Path(FLAGS.output) / "comparison.md").read_text())


if __name__ == "__main__":
    app.run(main)
