"""Counts what is in data sets of COCO's format, as chapter 2 of Lin's thesis does for COCO itself.

Examples:
  python scripts/dataset_statistics.py --annotations coco/annotations/instances_val2017.json
  python scripts/dataset_statistics.py --annotations train=train.json --annotations val=val.json --output statistics

Tables are printed; with --output, statistics.md, statistics.json and statistics.png (Figure 2.5) go into that folder.
"""

import json
import pathlib

from absl import app, flags
from PIL import Image

from panet_tf.data.named_files import named_files
from panet_tf.evaluation.dataset_statistics import dataset_statistics, statistics_table
from panet_tf.visualization.dataset_charts import dataset_charts

flags.DEFINE_multi_string("annotations", None, "A COCO JSON file, or name=file; several to compare.", required=True)
flags.DEFINE_string("output", None, "Folder of the tables, the numbers and the picture.")
FLAGS = flags.FLAGS


def main(_):
    statistics = {name: dataset_statistics(path) for name, path in named_files(FLAGS.annotations).items()}
    tables = statistics_table(statistics)
    print(tables)
    if FLAGS.output:
        output = pathlib.Path(FLAGS.output)
        output.mkdir(parents=True, exist_ok=True)
        (output / "statistics.md").write_text(tables + "\n")
        (output / "statistics.json").write_text(json.dumps(statistics, indent=1) + "\n")
        Image.fromarray(dataset_charts(statistics)).save(output / "statistics.png")


if __name__ == "__main__":
    app.run(main)
