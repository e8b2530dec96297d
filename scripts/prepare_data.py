"""Checks a COCO JSON with its images, lists what is wrong with which annotation, and prepares it for training.

Nothing is changed in the files. Training with the same JSON, images and settings then starts at once.

Examples:
  python scripts/prepare_data.py --annotations=instances_train.json --images=train/
  python scripts/prepare_data.py --annotations=instances_val.json --images=val/ --strict --max_listed=100
  python scripts/prepare_data.py --annotations=all.json --images=all/ --categories=cat,dog --nokeep_empty
"""

import collections
import logging
import sys

from absl import app, flags

FLAGS = flags.FLAGS
flags.DEFINE_string("annotations", None, "COCO JSON file with images, annotations and categories.", required=True)
flags.DEFINE_string("images", None, "Folder of its images.", required=True)
flags.DEFINE_list("categories", None, "Names of the categories to keep, in the order of the classes. Default: all.")
flags.DEFINE_bool("keep_empty", True, "Keep images without a usable annotation.")
flags.DEFINE_string("cache", None, "Folder to prepare the data in. Default: ~/.cache/panet_tf.")
flags.DEFINE_bool("strict", False, "Exit with status 1 when anything was skipped or repaired.")
flags.DEFINE_integer("max_listed", 10, "Problems to list for each rule.", lower_bound=0)


def main(argv):
    if len(argv) > 1:
        raise app.UsageError(f"every option needs its flag, received {argv[1:]}")
    from panet_tf.data.coco_source import CocoSource  # --help need not wait for TensorFlow

    logging.getLogger("panet_tf").setLevel(logging.ERROR)  # the report is printed below, in full
    try:
        source = CocoSource(
            annotations=FLAGS.annotations,
            images=FLAGS.images,
            categories=FLAGS.categories,
            keep_empty=FLAGS.keep_empty,
            cache=FLAGS.cache,
        )
        truth = source.coco_ground_truth()
    except ValueError as e:
        print(f"Unusable: {e}", file=sys.stderr)
        return 2
    counts = collections.Counter(a["category_id"] for a in truth["annotations"])
    crowds = sum(a["iscrowd"] for a in truth["annotations"])
    print(f"{source.num_examples} images, {len(truth['annotations'])} annotations ({crowds} crowds)")
    for number, category in enumerate(source.categories, start=1):
        print(f"  class {number}: {category['name']} (id {category['id']}): {counts[category['id']]}")
    print(source.report.summary(FLAGS.max_listed) or "No problems.")
    print(f"Prepared in {source.builder.data_dir}")
    bad = sum(source.report.count(action) for action in ("skipped image", "skipped annotation", "repaired"))
    return 1 if FLAGS.strict and bad else 0


if __name__ == "__main__":
    app.run(main)
