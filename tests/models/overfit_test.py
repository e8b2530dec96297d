"""A tiny PANet learns eight drawn images by heart: every part of it must pull in the same direction for that."""

import keras
import pytest

from panet_tf.data.detection_data import DetectionData
from panet_tf.data.occluded_shapes_source import OccludedShapesSource
from panet_tf.heads.box import BoxHead
from panet_tf.heads.rpn import RPNHead
from panet_tf.layers.conv_block import ConvBlock
from panet_tf.models.anchor_generator import AnchorGenerator
from panet_tf.models.anchor_sampler import AnchorSampler
from panet_tf.models.panet import panet
from panet_tf.models.proposal_selector import ProposalSelector
from panet_tf.models.roi_sampler import RoISampler
from panet_tf.training.evaluate import evaluate
from panet_tf.training.train import train
from panet_tf.training.warmup_cosine_decay import WarmupCosineDecay

STEPS = 900


def small_backbone(filters=32):
    """Two plain convolutions a level, with group norm: what a thousand steps on a CPU can afford."""
    images = keras.Input((None, None, 3))
    x = ConvBlock(filters=filters, strides=2, norm="group", name="stem")(images)
    levels = {}
    for level in (2, 3, 4, 5):
        x = ConvBlock(filters=filters, strides=2, norm="group", name=f"down{level}")(x)
        x = levels[f"C{level}"] = ConvBlock(filters=filters, norm="group", name=f"conv{level}")(x)
    return keras.Model(images, levels, name="small_backbone")


def build(categories):
    filters = 32
    return panet(
        categories=categories,
        backbone=small_backbone(filters),
        filters=filters,
        norm="group",
        rpn_head=RPNHead(num_anchors=3, filters=filters),
        box_head=BoxHead(num_classes=len(categories), num_convs=2, num_fcs=1, filters=filters, units=128, norm="group"),
        anchor_generator=AnchorGenerator(sizes=(16, 32, 64, 96, 128)),
        anchor_sampler=AnchorSampler(count=64),
        proposal_selector=ProposalSelector(pre_nms_top_k=(200, 100), post_nms_top_k=(100, 50)),
        roi_sampler=RoISampler(count=48, positive_fraction=0.5),
    )


def data(training):
    source = OccludedShapesSource(num_examples=8, image_size=(128, 128), instances=(2, 4), overlap=0.3, seed=1)
    return DetectionData(
        source=source, batch_size=4, canvases=((128, 128),), short_side=None, training=training, max_instances=8
    )


@pytest.mark.slow
@pytest.mark.parametrize("settings", [{}, {"jit_compile": True}, {"dtype_policy": "mixed_bfloat16"}], ids=str)
def test_eight_images_are_learned_by_heart(settings, tmp_path):
    model = train(
        model=build,
        train_data=data(training=True),
        model_dir=tmp_path,
        steps=STEPS,
        optimizer=lambda: keras.optimizers.Adam(WarmupCosineDecay(2e-3, steps=STEPS, warmup_steps=50)),
        **settings,
    )
    metrics = evaluate(model, data(training=False))
    assert metrics["segm/AP"] > 0.90 and metrics["bbox/AP"] > 0.90, metrics
