"""A tiny RetinaNet learns eight drawn images by heart."""

import keras
import pytest

from panet_tf.heads.dense import DenseHead
from panet_tf.models.anchor_generator import AnchorGenerator
from panet_tf.models.class_loss import ClassLoss
from panet_tf.models.hard_example_selector import HardExampleSelector
from panet_tf.models.retinanet import retinanet
from panet_tf.training.evaluate import evaluate
from panet_tf.training.train import train
from panet_tf.training.warmup_cosine_decay import WarmupCosineDecay
from tests.models.overfit_test import data, small_backbone

STEPS = 900
SETTINGS = {
    "focal": {},
    "bottom-up": {"bottom_up": True},
    "ohem": {
        "class_loss": ClassLoss(form="cross_entropy", alpha=None),
        "example_selector": HardExampleSelector(count=64, candidates=500, negatives_per_positive=3),
    },
}


def build(categories, **kwargs):
    return retinanet(
        categories=categories,
        backbone=small_backbone(32),
        filters=32,
        norm="group",
        head=DenseHead(num_classes=len(categories), num_anchors=9, filters=32, num_convs=2, norm="group"),
        anchor_generator=AnchorGenerator(sizes=(16, 32, 64, 96, 128), scales_per_octave=3),
        **kwargs,
    )


@pytest.mark.slow
@pytest.mark.parametrize("name", SETTINGS)
def test_eight_images_are_learned_by_heart(name, tmp_path):
    model = train(
        model=lambda categories: build(categories, **SETTINGS[name]),
        train_data=data(training=True),
        model_dir=tmp_path,
        steps=STEPS,
        optimizer=lambda: keras.optimizers.Adam(WarmupCosineDecay(2e-3, steps=STEPS, warmup_steps=50)),
    )
    metrics = evaluate(model, data(training=False))
    assert metrics["bbox/AP"] > 0.90, metrics
