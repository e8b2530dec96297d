"""Evaluates one Fast R-CNN with several numbers of proposals: Figure 3.5(c) of Lin's thesis.

Examples:
  python scripts/compare_proposals.py --model runs/table3_4_sharp_mask_vgg16 --output runs/figure3_5c \\
    --gin_file runs/evaluate.gin --gin_file data/coco_proposals.gin \\
    --proposals sharp_mask=coco/proposals/sharp_mask_val2017.json --proposals rpn=coco/proposals/val2017.json

The proposals of each file are the best of each image. A table is printed; into the output folder go comparison.json and
comparison.png.
"""

import json
import pathlib

import gin
from absl import app, flags
from PIL import Image

import panet_tf
from panet_tf.inference.load_model import load_model
from panet_tf.visualization.line_chart import line_chart

flags.DEFINE_string("model", None, "A .keras file, or a training folder that holds model.keras.", required=True)
flags.DEFINE_multi_string("proposals", None, "COCO results file, or name=file; several to compare.", required=True)
flags.DEFINE_list("counts", "10,50,100,250,500,1000", "Numbers of proposals of an image.")
flags.DEFINE_string("metric", "bbox/AP", "What is drawn.")
flags.DEFINE_multi_string("gin_file", None, "runs/evaluate.gin, and files with the data.", required=True)
flags.DEFINE_multi_string("gin_bindings", [], "Single bindings on top; may be given several times.")
flags.DEFINE_string("output", None, "Folder of the picture and the numbers.", required=True)
FLAGS = flags.FLAGS


def main(_):
    model, found, counts = load_model(FLAGS.model), {}, sorted(map(int, FLAGS.counts))
    slots = f"eval/DetectionData.max_proposals = {counts[-1]}"  # for all alike: the graph is traced once
    for given in FLAGS.proposals:
        name, _, path = given.rpartition("=")
        name = name or pathlib.Path(path).stem
        for count in counts:
            own = ["eval/DetectionData.proposals = @Proposals()", f'Proposals.path = "{path}"']
            own += [f"Proposals.max_proposals = {count}", slots]
            panet_tf.gin_setup.parse_gin(FLAGS.gin_file, [*FLAGS.gin_bindings, *own])
            found.setdefault(name, {})[count] = gin.get_configurable("panet_tf.evaluate")(model)
            print(f"{name}, {count} proposals: {FLAGS.metric} {found[name][count][FLAGS.metric]:.4f}", flush=True)
    output = pathlib.Path(FLAGS.output)
    output.mkdir(parents=True, exist_ok=True)
    (output / "comparison.json").write_text(json.dumps(found, indent=1) + "\n")
    curves = {name: (list(rows), [row[FLAGS.metric] for row in rows.values()]) for name, rows in found.items()}
    picture = line_chart(curves, x_label="proposals", y_label=FLAGS.metric, log_x=True)
    Image.fromarray(picture).save(output / "comparison.png")


if __name__ == "__main__":
    app.run(main)
