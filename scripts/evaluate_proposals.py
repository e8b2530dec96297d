"""Measures files of proposals, whoever made them, and draws their recall: Table 3.3 and Figure 3.6 of Lin's thesis.

Examples:
  python scripts/evaluate_proposals.py --annotations coco/annotations/instances_val2017.json \\
    --proposals rpn=coco/proposals/val2017.json --proposals selective_search=ss.json --output runs/recall

Files are COCO results with boxes, run-length coded masks, or both (docs/proposals.md says how models write them).
Numbers are printed; into the output folder go recall.json and a picture a metric: bbox.png, segm.png.
"""

import json
import pathlib

from absl import app, flags
from PIL import Image

from panet_tf.data.named_files import named_files
from panet_tf.training.proposal_files import evaluate_proposals
from panet_tf.visualization.proposal_curves import proposal_curves

flags.DEFINE_string("annotations", None, "COCO JSON file.", required=True)
flags.DEFINE_multi_string("proposals", None, "COCO results file, or name=file; several to compare.", required=True)
flags.DEFINE_list("counts", "10,100,1000", "Numbers of proposals that average recall is given for.")
flags.DEFINE_string("output", None, "Folder of the numbers and the pictures.")
FLAGS = flags.FLAGS


def cell(key, value):
    if "skipped" in key:  # a count of what was left out
        return f"{value or 0:.0f}"
    return "-" if value is None or value < 0 else f"{100 * value:.1f}"


def main(_):
    counts = tuple(int(count) for count in FLAGS.counts)
    files = named_files(FLAGS.proposals)
    found = {name: evaluate_proposals(path, FLAGS.annotations, counts=counts) for name, path in files.items()}
    results = {name: recall.result() for name, recall in found.items()}
    columns = list(dict.fromkeys(key for result in results.values() for key in result))
    print("| | " + " | ".join(key.removeprefix("proposals/") for key in columns) + " |")
    print("|" + "---|" * (1 + len(columns)))
    for name, result in results.items():
        print(f"| {name} | " + " | ".join(cell(key, result.get(key)) for key in columns) + " |")
    if FLAGS.output:
        output = pathlib.Path(FLAGS.output)
        output.mkdir(parents=True, exist_ok=True)
        (output / "recall.json").write_text(json.dumps(results, indent=1) + "\n")
        for metric, title in (("bbox", "boxes"), ("segm", "segments")):
            tables = {name: recall.table(metric) for name, recall in found.items() if metric in (recall.metrics or ())}
            if tables:
                picture = proposal_curves(tables, title=title, counts=counts)
                Image.fromarray(picture).save(output / f"{metric}.png")


if __name__ == "__main__":
    app.run(main)
