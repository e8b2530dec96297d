"""Trains one detector with several losses and seeds, all for the same steps, and compares their AP.

Examples:
  python scripts/compare_losses.py --output runs/losses --gin_file runs/compare_losses.gin
  python scripts/compare_losses.py --output runs/losses --gin_file runs/compare_losses.gin --losses focal,ohem \\
    --seeds 0 --gin_bindings 'STEPS = 300'

Run it again with the same --output and it continues. There it leaves comparison.md, comparison.json and every run.
"""

import gc
import json
import pathlib

import gin
import keras
from absl import app, flags

import panet_tf
from panet_tf.training.comparison import compare
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
    print(f"== {folder}", flush=True)
    gin.get_configurable("panet_tf.train")(model_dir=folder)
    keras.backend.clear_session()
    gc.collect()
    return json.loads((pathlib.Path(folder) / "metrics.json").read_text())


def main(_):
    wanted = {name: LOSS_VARIANTS[name] for name in FLAGS.losses if name in LOSS_VARIANTS}
    if len(wanted) != len(FLAGS.losses):
        raise app.UsageError(f"--losses must be some of {', '.join(LOSS_VARIANTS)}, received {FLAGS.losses}.")
    compare(run, wanted, [int(seed) for seed in FLAGS.seeds], FLAGS.output, title="Losses at equal steps")
    print((pathlib.Path(FLAGS.output) / "comparison.md").read_text())


if __name__ == "__main__":
    app.run(main)
