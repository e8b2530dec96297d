"""Models without a pyramid: what they are made of, that they train compiled, and come back from a file."""

import keras
import numpy as np
import pytest

from panet_tf.backbones.freezing import freeze
from panet_tf.backbones.resnet import resnet
from panet_tf.heads.res5 import Res5Head
from panet_tf.layers.roi_pooling import FPNLevelPooling
from panet_tf.models.anchor_sampler import AnchorSampler
from panet_tf.models.detection_selector import DetectionSelector
from panet_tf.models.faster_rcnn_c4 import ANCHOR_SIZES, faster_rcnn_c4
from panet_tf.models.faster_rcnn_c5 import faster_rcnn_c5
from panet_tf.models.mask_rcnn_c4 import mask_rcnn_c4
from panet_tf.models.mask_rcnn_c5 import mask_rcnn_c5
from panet_tf.models.proposal_selector import ProposalSelector
from panet_tf.models.roi_sampler import RoISampler
from panet_tf.training.sgd import SGD
from tests.layer_checks import assert_close
from tests.models.tiny import CATEGORIES, batch_of_boxes


def small(**kwargs):
    """Arguments that leave few regions, and a backbone of a quarter of the channels."""
    return {
        "categories": CATEGORIES,
        "anchor_sampler": AnchorSampler(count=32),
        "proposal_selector": ProposalSelector(pre_nms_top_k=(64, 32), post_nms_top_k=(16, 8)),
        "roi_sampler": RoISampler(count=8),
        "detection_selector": DetectionSelector(score_threshold=0.0, max_detections=4),
        **kwargs,
    }


def tiny_residual(norm="group"):
    """A residual network by name and levels, of few channels: C4 of 16, C5 of 32."""
    images = keras.Input((None, None, 3))
    x = keras.layers.Conv2D(8, 4, strides=4, activation="relu", name="conv1")(images)
    levels = {"C2": x}
    for level in (3, 4):
        x = keras.layers.Conv2D(16, 2, strides=2, activation="relu", name=f"layer{level - 1}_0_conv1")(x)
        levels[f"C{level}"] = x
    x = keras.layers.Conv2D(64, 1, use_bias=False, name="layer4_0_conv1")(x)
    levels["C5"] = keras.layers.MaxPooling2D(2, name="layer4_0_pool")(x)
    return keras.Model(images, levels, name="tiny_residual")


def test_parts_are_the_papers():
    model = mask_rcnn_c4(categories=CATEGORIES, backbone=resnet(18), shared_head=Res5Head(blocks=1))
    assert list(model.backbone.output) == ["C4"] and not model.necks and model.mask_pooling is None
    assert not any(layer.name.startswith("layer4") for layer in model.backbone.layers)
    assert model.anchor_generator.num_anchors == 15 and model.roi_sampler.count == 64
    assert model.proposal_selector.post_nms_top_k == (2000, 300) and model.rpn_head.filters == 1024
    assert (model.box_pooling.output_size, model.mask_head.num_convs, model.mask_head.filters) == (7, 0, 256)
    wide = faster_rcnn_c4(**small(backbone=resnet(18), shared_head=Res5Head(blocks=1, strides=2), rpn_filters=8))
    assert wide.box_pooling.output_size == 14 and wide.mask_head is None


def test_the_last_stage_goes_to_the_regions():
    backbone = tiny_residual()
    model = faster_rcnn_c4(**small(backbone=backbone, shared_head=Res5Head(blocks=1, width_per_group=8), rpn_filters=8))
    kernels = [w for w in model.shared_head.weights if w.path.endswith("layer4_0_conv1/kernel")]
    np.testing.assert_array_equal(kernels[0], backbone.get_layer("layer4_0_conv1").kernel)
    with pytest.raises(ValueError, match="must have a level C4, received"):
        faster_rcnn_c4(**small(backbone=resnet(18, outputs=("C2", "C3"))))


@pytest.mark.parametrize(
    "activation, jit_compile",
    [
        ("softmax", False),
        pytest.param("softmax", True, marks=pytest.mark.slow),
        pytest.param("sigmoid", True, marks=pytest.mark.slow),
    ],
)
def test_trains_and_comes_back_from_a_file(activation, jit_compile, tmp_path):
    kwargs = small(backbone=tiny_residual(), shared_head=Res5Head(blocks=1, norm="group", width_per_group=8))
    operator = "pool" if activation == "softmax" else "align"
    pooling = FPNLevelPooling(output_size=7, operator=operator)
    model = mask_rcnn_c4(**kwargs, rpn_filters=8, activation=activation, box_pooling=pooling)
    model.compile(optimizer=SGD(learning_rate=1e-3), jit_compile=jit_compile)
    batch = batch_of_boxes(height=64, width=64)
    history = model.fit(batch, batch_size=2, epochs=2, verbose=0).history
    assert np.isfinite([values[-1] for values in history.values()]).all() and history["mask_loss"][0] > 0
    outputs = model(batch)
    assert outputs["masks"].shape == (2, 4, 14, 14) and 0 <= np.min(outputs["masks"]) <= np.max(outputs["masks"]) <= 1
    if not jit_compile:
        model.save(tmp_path / "model.keras")
        loaded = keras.saving.load_model(tmp_path / "model.keras")
        assert_close(loaded(batch)["masks"], outputs["masks"])
        assert len(loaded.weights) == len(model.weights)


@pytest.mark.parametrize("dilated, stride", [(False, 32), (True, 16)])
def test_c5_at_either_stride(dilated, stride):
    backbone = freeze(resnet(18, dilated=dilated), 2)
    model = mask_rcnn_c5(**small(backbone=backbone, filters=8))
    levels = model.features(np.zeros((1, 64, 64, 3), "float32"))
    ((name, level),) = levels.items()
    assert level.shape == (1, 64 // stride, 64 // stride, 8) and 2 ** int(name[1]) == stride
    assert model.anchor_generator.sizes == ANCHOR_SIZES and model.mask_head.num_convs == 4
    assert faster_rcnn_c5(**small(backbone=resnet(18), filters=8)).mask_head is None
