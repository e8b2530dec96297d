"""Trains DeepMask, then SharpMask from its weights, for several seeds, and compares the recall of their proposals.

Examples:
  python scripts/compare_mask_proposals.py --output runs/proposals --gin_file runs/compare_mask_proposals.gin
  python scripts/compare_mask_proposals.py --output runs/short --gin_file runs/compare_mask_proposals.gin \\
    --seeds 0 --gin_bindings 'STEPS = 300'

Run it again with the same --output and it continues; other seeds join the table. There it leaves comparison.md,
comparison.json and every run. Finished runs of other settings are refused.
"""

import pathlib

import gin
from absl import app, flags

import panet_tf
from panet_tf.training.comparison import compare, trained_metrics

MODELS = {  # the second starts where the first has ended, and is trained on masks alone
    "DeepMask": ("MODEL = @deep_mask",),
    "SharpMask": ("MODEL = @sharp_mask", "patches_of.score_share = 0.0"),
}
flags.DEFINE_multi_string("gin_file", None, "Gin files of both models, their data and schedule.", required=True)
flags.DEFINE_multi_string("gin_bindings", [], "Single bindings, such as 'STEPS = 100', that win over files.")
flags.DEFINE_string("output", None, "Folder of the runs and the table.", required=True)
flags.DEFINE_list("seeds", ["0", "1", "2"], "One run of both models for each.")
FLAGS = flags.FLAGS


def run(bindings, seed, folder):
    bindings = [*bindings, *FLAGS.gin_bindings, f"SEED = {seed}"]
    if folder.parts[-2] == "SharpMask":
        first = folder.parent.parent / "DeepMask" / folder.name / "model.keras"
        bindings.append(f'train.initial_weights = "{first}"')
    panet_tf.gin_setup.parse_gin(FLAGS.gin_file, bindings)
    return trained_metrics(gin.get_configurable("panet_tf.train"), folder)


def main(_):
    names = [f"val_proposals/{kind}" for kind in ("segm/AR10", "segm/AR100", "segm/AUC", "bbox/AR100")]
    seeds = [int(seed) for seed in FLAGS.seeds]
    settings = {"gin_file": FLAGS.gin_file, "gin_bindings": FLAGS.gin_bindings}
    title = "Proposals at equal steps of each stage"
    compare(run, MODELS, seeds, FLAGS.output, metrics=names, title=title, settings=settings)
    print((pathlib.Path(FLAGS.output) / "comparison.md").read_text())


if __name__ == "__main__":
    app.run(main)
