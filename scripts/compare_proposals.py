"""Evaluates one Fast R-CNN with several numbers of proposals: Figure 3.5(c) of Lin's thesis.

Examples:
  python scripts/compare_proposals.py --model runs/table3_4_sharp_mask_vgg16 --output runs/figure3_5c \\
    --gin_file papers/lin_thesis/table3_4/sharp_mask_vgg16.gin \\
    --proposals sharp_mask=coco/proposals/sharp_mask_val2017.json --proposals rpn=coco/proposals/val2017.json

The proposals of each file are the best of each image. Numbers are printed; into the output folder go comparison.json
and comparison.png. Run it again with the same --output and it continues.
"""

import functools
import pathlib

import gin
from absl import app, flags
from PIL import Image

import panet_tf
from panet_tf.data.named_files import named_files
from panet_tf.data.preparation import fingerprint
from panet_tf.inference.load_model import load_model, model_file
from panet_tf.training.proposal_counts import compare_counts
from panet_tf.visualization.line_chart import line_chart

flags.DEFINE_string("model", None, "A .keras file, or a training folder that holds model.keras.", required=True)
flags.DEFINE_multi_string("proposals", None, "COCO results file, or name=file; several to compare.", required=True)
flags.DEFINE_list("counts", "10,50,100,250,500,1000", "Numbers of proposals of an image.")
flags.DEFINE_string("metric", "bbox/AP", "What is drawn.")
flags.DEFINE_multi_string("gin_file", None, "The model's own, or runs/evaluate.gin and the data.", required=True)
flags.DEFINE_multi_string("gin_bindings", [], "Single bindings on top; may be given several times.")
flags.DEFINE_string("output", None, "Folder of the picture and the numbers.", required=True)
FLAGS = flags.FLAGS


def evaluate(model, files, name, count):
    slots = max(map(int, FLAGS.counts))  # for all alike: the graph is traced once
    panet_tf.gin_setup.parse_gin(FLAGS.gin_file, FLAGS.gin_bindings)
    own = ["eval/DetectionData.proposals = @Proposals()", f"Proposals.path = {str(files[name])!r}"]
    own += [f"Proposals.max_proposals = {count}", f"eval/DetectionData.max_proposals = {slots}"]
    with gin.unlock_config():  # after the checks: what ours replace may be the only use of a data file's macro
        gin.parse_config(own)
    return gin.get_configurable("panet_tf.evaluate")(model)


def main(_):
    output, counts, files = pathlib.Path(FLAGS.output), [int(n) for n in FLAGS.counts], named_files(FLAGS.proposals)
    panet_tf.gin_setup.parse_gin(FLAGS.gin_file, FLAGS.gin_bindings)
    settings, file = [gin.config_str()], model_file(FLAGS.model)
    made_of = {name: fingerprint(files=[file, path], folders=[], settings=settings) for name, path in files.items()}
    run = functools.partial(evaluate, load_model(file), files)
    found = compare_counts(run, made_of, counts, output / "comparison.json", metric=FLAGS.metric)
    curves = {n: (list(map(int, rows)), [row[FLAGS.metric] for row in rows.values()]) for n, rows in found.items()}
    picture = line_chart(curves, x_label="proposals", y_label=FLAGS.metric, log_x=True)
    Image.fromarray(picture).save(output / "comparison.png")


if __name__ == "__main__":
    app.run(main)
