"""The model that torchvision's RetinaNet weights are for, in small; its numbers are those of the golden test."""

import keras
import numpy as np

from panet_tf.backbones.resnet import resnet
from panet_tf.models.torchvision_retinanet import torchvision_retinanet
from tests.models.tiny import CATEGORIES, batch_of_boxes, tiny_backbone
from tests.torchvision_retinanet_shapes import torchvision_retinanet_shapes


def test_conventions_stay_with_a_saved_model(tmp_path):
    model = torchvision_retinanet(categories=CATEGORIES, backbone=tiny_backbone(), filters=8)
    assert model.necks[0].extra_levels == "p5" and model.box_beta == 0 and model.max_detections == 300
    assert model.target_assigner.force_matches and model.target_assigner.crowd_overlap is None
    assert model.anchor_generator.sizes[0] == (32, 40, 50) and model.anchor_generator.rounding
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    for part in ("anchor_generator", "target_assigner", "detection_selector"):
        assert getattr(again, part).get_config() == getattr(model, part).get_config()
    assert again.normalizers == model.normalizers and again.box_beta == 0
    losses = again(batch_of_boxes(batch=1))["losses"]
    assert all(np.isfinite(total) and count == 1 for total, count in losses.values())


def test_weights_are_loaded():
    shapes = torchvision_retinanet_shapes(3, blocks=(2, 2, 2, 2), filters=8, bottleneck=False)
    arrays = {name: np.full(shape, 0.25, "float32") for name, shape in shapes.items()}
    model = torchvision_retinanet(categories=CATEGORIES, backbone=resnet(18), filters=8, weights=arrays)
    assert len(model.weights) == len(arrays)
    assert all((np.asarray(weight) == 0.25).all() for weight in model.weights)
