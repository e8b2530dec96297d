"""Trains small PANets on one device and on two logical CPU devices; writes what to compare to an npz file.

A script of its own, because logical devices must be configured before TensorFlow does anything.

Networks with batch norm and random weights are chaotic: one device that trains twice at the rate of 0.02 differs from
itself by
1e-2 after three steps, because the order of sums in parallel kernels varies in the last bit, batch norm amplifies that,
and the proposals, all nearly tied at first, are chosen otherwise. So the RPN gets an opinion, rates are low, and the
three-step case has group norm in the heads, whose statistics would follow the choice of regions.
"""

import sys

import keras
import numpy as np
import tensorflow as tf

from panet_tf.backbones.resnet import resnet
from panet_tf.data.detection_data import DetectionData
from panet_tf.data.occluded_shapes_source import OccludedShapesSource
from panet_tf.heads.box import BoxHead
from panet_tf.heads.mask import MaskHead
from panet_tf.models import panet
from panet_tf.models.anchor_generator import AnchorGenerator
from panet_tf.models.proposal_selector import ProposalSelector
from panet_tf.models.roi_sampler import RoISampler
from panet_tf.training.sgd import SGD
from panet_tf.training.strategies import make_strategy

CASES = {  # head norm, learning rate, after how many steps to look
    "everything_normed": ("sync_bn", 0.002, (1,)),
    "heads_in_groups": ("group", 0.0002, (1, 3)),
}


def data():
    """Four images a batch, some with many objects and some with few: replicas count different numbers."""
    source = OccludedShapesSource(num_examples=12, image_size=(128, 128), instances=(1, 6), seed=3)
    return DetectionData(
        source=source,
        batch_size=4,
        training=True,
        canvases=((128, 128),),
        short_side=128,
        long_side=128,
        max_instances=8,
    )


def build(categories, head_norm):
    head = dict(num_classes=len(categories), filters=32, norm=head_norm)
    model = panet(
        categories=categories,
        backbone=resnet(18, norm="sync_bn"),
        filters=32,
        norm="sync_bn",
        anchor_generator=AnchorGenerator(sizes=(8, 16, 32, 64, 128)),
        proposal_selector=ProposalSelector(pre_nms_top_k=50, post_nms_top_k=20),
        roi_sampler=RoISampler(count=16),
        box_head=BoxHead(num_convs=4, num_fcs=1, units=128, **head),
        mask_head=MaskHead(fully_connected="conv3", **head),
    )
    for weight in model.rpn_head.weights:
        if "objectness" in weight.path and weight.path.endswith("kernel"):
            weight.assign(100 * weight)
    return model


def train(strategy, head_norm, rate, looks):
    """Yields (name, array) of everything to compare, named by step, kind and place."""
    keras.utils.set_random_seed(1)
    shapes = data()
    with strategy.scope():
        model = build(shapes.categories, head_norm)
        model.compile(optimizer=SGD(rate, global_clipnorm=5.0), jit_compile=False)
    start, step = [w.numpy() for w in model.trainable_weights], 0
    for look in looks:
        history = model.fit(shapes.dataset(step=step), steps_per_epoch=look - step, verbose=0, shuffle=False).history
        step = look
        for name, values in history.items():
            yield f"{step}/losses/{name}", values[-1]
        for i, (weight, before) in enumerate(zip(model.trainable_weights, start)):
            yield f"{step}/weights/{i}", weight.numpy()
            yield f"{step}/moved/{i}", np.abs(weight.numpy() - before).max()
        for i, weight in enumerate(w for w in model.non_trainable_weights if "moving" in w.path):
            yield f"{step}/statistics/{i}", weight.numpy()


if __name__ == "__main__":
    cpu = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
    results = {"images": next(iter(data().dataset()))["images"].numpy()}
    for case, arguments in CASES.items():
        for replicas, strategy in (("one", make_strategy()), ("two", make_strategy("mirrored", ("CPU:0", "CPU:1")))):
            results |= {f"{case}/{replicas}/{name}": array for name, array in train(strategy, *arguments)}
    np.savez(sys.argv[1], **results)
