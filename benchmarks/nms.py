"""How fast is suppression, as proposals and as detections need it, beside TensorFlow's own and torchvision's?

    python benchmarks/nms.py --boxes 1000 --groups 10

Prints milliseconds and the ratio to the first line of each block (below 1 is faster), all measured in this run,
interleaved, medians. torchvision's lines appear where it is installed.
"""

import functools
import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import tensorflow as tf
from absl import app, flags
from interleaved import print_ratios

from panet_tf.ops.class_nms import class_nms
from panet_tf.ops.nms import nms

FLAGS = flags.FLAGS
flags.DEFINE_integer("boxes", 1000, "Boxes of a group.")
flags.DEFINE_integer("groups", 10, "Groups: images times levels.")
flags.DEFINE_integer("images", 2, "Images of the second block.")
flags.DEFINE_integer("rois", 1000, "RoIs of an image in the second block.")
flags.DEFINE_integer("classes", 80, "Classes in the second block.")
flags.DEFINE_integer("repeats", 7, "Measurements of each line.")


def clusters(rng, groups, number):
    """float32 (groups, number, 4): boxes in clusters of about ten, as anchors around objects are."""
    places = rng.uniform(0, 1200, (groups, -(-number // 10), 1, 2)) + rng.normal(
        0, 8, (groups, -(-number // 10), 10, 2)
    )
    sizes = rng.uniform(20, 200, (groups, places.shape[1], 1, 2)) * rng.uniform(0.8, 1.25, places.shape)
    return np.concatenate([places, places + sizes], axis=-1).reshape(groups, -1, 4)[:, :number].astype("float32")


def compiled(function, jit_compile, *inputs):
    function = tf.function(function, jit_compile=jit_compile, autograph=False)
    return lambda: tf.nest.map_structure(tf.identity, function(*inputs))


def torchvision_ops():
    try:
        import torch
        import torchvision
    except ImportError:
        return None, None
    return torch, torchvision.ops


def proposals():
    """Suppression within groups, at the RPN's threshold."""
    rng = np.random.default_rng(0)
    boxes = clusters(rng, FLAGS.groups, FLAGS.boxes)
    scores = rng.normal(size=boxes.shape[:2]).astype("float32")
    inputs = tf.constant(boxes), tf.constant(scores)
    lines = {}
    for name, jit_compile in (("native", False), ("matrix", False), ("matrix", True)):
        run = functools.partial(nms, iou_threshold=0.7, max_outputs=1000, implementation=name)
        lines[f"nms: {name}{' + XLA' if jit_compile else ''}"] = compiled(run, jit_compile, *inputs)

    def padded(b, s):
        return tf.image.non_max_suppression_padded(b, s, 1000, iou_threshold=0.7, pad_to_max_output_size=True)

    lines["tf.image.non_max_suppression_padded"] = compiled(padded, False, *inputs)
    lines["tf.image.non_max_suppression_padded + XLA"] = compiled(padded, True, *inputs)
    torch, ops = torchvision_ops()
    if ops:
        tensors = torch.from_numpy(boxes.reshape(-1, 4)), torch.from_numpy(scores.reshape(-1))
        groups = torch.arange(FLAGS.groups).repeat_interleave(FLAGS.boxes)
        lines["torchvision.ops.batched_nms"] = lambda: ops.batched_nms(*tensors, groups, 0.7)
    return lines


def detections():
    """Suppression within classes, a box for each class, at COCO's thresholds."""
    rng = np.random.default_rng(0)
    boxes = clusters(rng, FLAGS.images * FLAGS.classes, FLAGS.rois)
    boxes = boxes.reshape(FLAGS.images, FLAGS.classes, FLAGS.rois, 4).transpose(0, 2, 1, 3).copy()
    logits = rng.normal(0, 3, (FLAGS.images, FLAGS.rois, FLAGS.classes))
    scores = (np.exp(logits) / (np.exp(logits).sum(-1, keepdims=True) + np.exp(8))).astype("float32")
    inputs = tf.constant(boxes), tf.constant(scores)
    kwargs = {"score_threshold": 0.05, "iou_threshold": 0.5, "max_detections": 100}
    lines = {}
    for name, jit_compile in (("native", False), ("matrix", False), ("matrix", True)):
        run = functools.partial(class_nms, implementation=name, **kwargs)
        lines[f"class_nms: {name}{' + XLA' if jit_compile else ''}"] = compiled(run, jit_compile, *inputs)

    def combined(b, s):  # gives no RoI indices
        return tuple(tf.image.combined_non_max_suppression(b, s, 100, 100, 0.5, 0.05, clip_boxes=False))

    lines["tf.image.combined_non_max_suppression"] = compiled(combined, False, *inputs)
    torch, ops = torchvision_ops()
    if ops:

        def by_torchvision():
            for image_boxes, image_scores in zip(boxes, scores):
                rois, classes = np.nonzero(image_scores > 0.05)
                chosen = torch.from_numpy(image_boxes[rois, classes]), torch.from_numpy(image_scores[rois, classes])
                ops.batched_nms(*chosen, torch.from_numpy(classes), 0.5)[:100]

        lines["torchvision.ops.batched_nms"] = by_torchvision
    return lines


def main(_):
    print_ratios(f"{FLAGS.groups} groups of {FLAGS.boxes} boxes", proposals(), FLAGS.repeats)
    title = f"{FLAGS.images} images, {FLAGS.rois} RoIs, {FLAGS.classes} classes"
    print_ratios(title, detections(), FLAGS.repeats)


if __name__ == "__main__":
    app.run(main)
