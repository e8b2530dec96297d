"""Checks images and their annotations, lists what is wrong with which of them, and prepares all for training.

Nothing is changed in the files. Training with the same files and settings then starts at once.

Examples:
  python scripts/prepare_data.py --annotations=instances_train.json --images=train/
  python scripts/prepare_data.py --annotations=instances_val.json --images=val/ --strict --max_listed=100
  python scripts/prepare_data.py --annotations=all.json --images=all/ --categories=cat,dog --nokeep_empty
  python scripts/prepare_data.py --annotations=panoptic_val2017.json --panoptic=panoptic_val2017/ --images=val2017/
  python scripts/prepare_data.py --cityscapes=cityscapes/ --split=val
  python scripts/prepare_data.py --vistas=vistas/ --split=training --version=2.0
"""

import logging
import sys

from absl import app, flags

FLAGS = flags.FLAGS
flags.DEFINE_string("annotations", None, "COCO JSON file with images, annotations and categories.")
flags.DEFINE_string("images", None, "Folder of its images.")
flags.DEFINE_string("panoptic", None, "Folder of panoptic PNGs, where the JSON is of segments.")
flags.DEFINE_string("instances", None, "With --panoptic: COCO JSON of instances that replace the segments of things.")
flags.DEFINE_string("cityscapes", None, "Folder of Cityscapes, in place of the files above.")
flags.DEFINE_string("vistas", None, "Folder of Mapillary Vistas, in place of the files above.")
flags.DEFINE_string("split", None, "Split of Cityscapes (train, val) or Vistas (training, validation).")
flags.DEFINE_enum("version", "1.2", ("1.2", "2.0"), "Version of Vistas.")
flags.DEFINE_list("categories", None, "Names of the categories to keep, in the order of the classes. Default: all.")
flags.DEFINE_bool("keep_empty", True, "Keep images without a usable annotation.")
flags.DEFINE_string("cache", None, "Folder to prepare the data in. Default: ~/.cache/panet_tf.")
flags.DEFINE_bool("strict", False, "Exit with status 1 when anything was skipped or repaired.")
flags.DEFINE_integer("max_listed", 10, "Problems to list for each rule.", lower_bound=0)


def main(argv):
    if len(argv) > 1:
        raise app.UsageError(f"every option needs its flag, received {argv[1:]}")
    from panet_tf.data.source_report import describe_source, source_from_files  # --help need not wait for TensorFlow

    logging.getLogger("panet_tf").setLevel(logging.ERROR)  # the report is printed below, in full
    names = ("annotations", "images", "panoptic", "instances", "cityscapes", "vistas", "split", "version")
    settings = {name: getattr(FLAGS, name) for name in (*names, "categories", "keep_empty", "cache")}
    try:
        source = source_from_files(**settings)
        print(describe_source(source, FLAGS.max_listed))
    except ValueError as e:
        print(f"Unusable: {e}", file=sys.stderr)
        return 2
    print(f"Prepared in {source.builder.data_dir}")
    bad = sum(source.report.count(action) for action in ("skipped image", "skipped annotation", "repaired"))
    return 1 if FLAGS.strict and bad else 0


if __name__ == "__main__":
    app.run(main)
