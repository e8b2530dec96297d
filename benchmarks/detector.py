"""How fast does a whole detector train and predict, part by part of PANet, beside torchvision's Mask R-CNN?

    python benchmarks/detector.py --height 512 --width 512 --batch 1

Prints milliseconds an image and the ratio to Mask R-CNN (below 1 is faster), all measured in this run, interleaved,
medians. ResNet-50, 80 classes, full-size heads, random weights and frozen batch norm; a step is forward, backward and
SGD. torchvision's line appears where it is installed.
"""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import tensorflow as tf
from absl import app, flags
from interleaved import medians

from panet_tf.backbones.resnet import resnet
from panet_tf.models.mask_rcnn import mask_rcnn
from panet_tf.models.panet import panet
from panet_tf.training.sgd import SGD

FLAGS = flags.FLAGS
flags.DEFINE_integer("height", 512, "Pixels, a multiple of 32.")
flags.DEFINE_integer("width", 512, "Pixels, a multiple of 32.")
flags.DEFINE_integer("batch", 1, "Images.")
flags.DEFINE_integer("objects", 8, "Objects of an image.")
flags.DEFINE_integer("repeats", 3, "Measurements of each line.")

CATEGORIES = [{"id": i, "name": str(i)} for i in range(1, 81)]


def draw():
    """Images and boxes that both programs take: float32 (B, H, W, 3) and yxyx (B, N, 4)."""
    rng = np.random.default_rng(0)
    images = rng.standard_normal((FLAGS.batch, FLAGS.height, FLAGS.width, 3)).astype("float32")
    sides = np.float32([FLAGS.height, FLAGS.width])
    corners = rng.uniform(0.0, 0.6, (FLAGS.batch, FLAGS.objects, 2)) * sides
    sizes = rng.uniform(0.1, 0.4, corners.shape) * sides
    return images, np.concatenate([corners, corners + sizes], axis=-1).astype("float32")


def ours(build, **kwargs):
    """(step, predict) of one of our assemblies."""
    images, boxes = draw()
    model = build(categories=CATEGORIES, backbone=resnet(50, norm="frozen_bn"), **kwargs)
    model.compile(optimizer=SGD(1e-4), jit_compile=False)
    inputs = {"images": tf.constant(images)}
    targets = {
        "boxes": tf.constant(boxes),
        "classes": tf.ones(boxes.shape[:2], tf.int32),
        "masks": tf.ones((*boxes.shape[:2], 112, 112), tf.uint8),
    }
    predict = tf.function(lambda: model(inputs, training=False)["boxes"])
    return lambda: model.train_on_batch({**inputs, **targets}), lambda: predict().numpy()


def theirs():
    """(step, predict) of torchvision, or `None`."""
    try:
        import torch
        import torchvision
    except ImportError:
        return None
    images, boxes = draw()
    sides = {"min_size": min(images.shape[1:3]), "max_size": max(images.shape[1:3])}
    model = torchvision.models.detection.maskrcnn_resnet50_fpn(
        weights=None, weights_backbone=None, num_classes=81, trainable_backbone_layers=5, **sides
    )
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-4, momentum=0.9)
    images = [torch.tensor(image.transpose(2, 0, 1).copy()) for image in images]
    targets = [
        {
            "boxes": torch.tensor(of_image[:, [1, 0, 3, 2]].copy()),
            "labels": torch.ones(len(of_image), dtype=torch.int64),
            "masks": torch.ones((len(of_image), FLAGS.height, FLAGS.width), dtype=torch.uint8),
        }
        for of_image in boxes
    ]

    def step():
        model.train()
        optimizer.zero_grad()
        sum(model(images, targets).values()).backward()
        optimizer.step()

    def predict():
        model.eval()
        with torch.no_grad():
            model(images)

    return step, predict


def main(_):
    lines = {
        "Mask R-CNN": ours(mask_rcnn),
        "+ bottom-up path": ours(panet, norm=None, adaptive_pooling=False, fully_connected=None, heavy_head=False),
        "+ adaptive pooling": ours(panet, norm=None, fully_connected=None, heavy_head=False),
        "+ fully-connected fusion": ours(panet, norm=None, heavy_head=False),
        "PANet (heavier head)": ours(panet, norm=None),
        "torchvision Mask R-CNN": theirs(),
    }
    lines = {name: pair for name, pair in lines.items() if pair}
    times = medians({(name, kind): pair[kind] for name, pair in lines.items() for kind in (0, 1)}, FLAGS.repeats)
    print(f"{FLAGS.batch} x {FLAGS.height} x {FLAGS.width:<12}  train ms   ratio   predict ms   ratio")
    for name in lines:
        step, predict = (times[name, kind] / FLAGS.batch for kind in (0, 1))
        base_step, base_predict = (times["Mask R-CNN", kind] / FLAGS.batch for kind in (0, 1))
        print(f"{name:26s} {step:8.0f} {step / base_step:7.2f} {predict:12.0f} {predict / base_predict:7.2f}")


if __name__ == "__main__":
    app.run(main)
