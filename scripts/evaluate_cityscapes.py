"""Measures results in Cityscapes' format, whoever wrote them: AP and AP50 as the benchmark's own program has them.

Examples:
  python scripts/evaluate_cityscapes.py --ground_truth cityscapes/gtFine/val --results out/cityscapes
  python scripts/evaluate_cityscapes.py --ground_truth cityscapes/gtFine/val --results out --output metrics.json

A file <city>_<sequence>_<frame>*.txt for each image lists mask, label id and score (docs/cityscapes.md says how models
write them).
"""

import json
import pathlib

from absl import app, flags

from panet_tf.evaluation.compare_cityscapes_folders import compare_cityscapes_folders
from panet_tf.ops.cityscapes_labels import INSTANCE_NAMES

flags.DEFINE_string("ground_truth", None, "Folder of *_instanceIds.png, such as gtFine/val.", required=True)
flags.DEFINE_string("results", None, "Folder of the results.", required=True)
flags.DEFINE_string("output", None, "JSON file for the metrics; they are printed in any case.")
FLAGS = flags.FLAGS


def main(_):
    metrics = compare_cityscapes_folders(FLAGS.ground_truth, FLAGS.results).result(per_category=True)
    print("| | AP | AP50 |\n|---|---|---|")
    for name in ("", *INSTANCE_NAMES.values()):
        numbers = (metrics["/".join(filter(None, (f"cityscapes/{kind}", name)))] for kind in ("AP", "AP50"))
        cells = ["-" if number < 0 else f"{100 * number:.1f}" for number in numbers]
        print(f"| {name or 'mean'} | {' | '.join(cells)} |")
    if FLAGS.output:
        path = pathlib.Path(FLAGS.output)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(metrics, indent=2) + "\n")


if __name__ == "__main__":
    app.run(main)
