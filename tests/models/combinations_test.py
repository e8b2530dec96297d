"""Parts of every paper, drawn together at random: each model trains two steps and predicts the same once loaded."""

import functools

import keras
import numpy as np
import pytest
import tensorflow as tf

from panet_tf.backbones.resnet import resnet
from panet_tf.heads.box import BoxHead
from panet_tf.heads.keypoint import KeypointHead
from panet_tf.heads.mask import MaskHead
from panet_tf.heads.rpn import RPNHead
from panet_tf.heads.stuff import StuffHead
from panet_tf.layers.adaptive_pooling import AdaptivePooling
from panet_tf.layers.roi_pooling import FPNLevelPooling
from panet_tf.models.anchor_generator import AnchorGenerator
from panet_tf.models.anchor_sampler import AnchorSampler
from panet_tf.models.cascade_rcnn import cascade_rcnn
from panet_tf.models.detection_selector import DetectionSelector
from panet_tf.models.faster_rcnn import faster_rcnn
from panet_tf.models.mask_rcnn import mask_rcnn
from panet_tf.models.oanet import oanet
from panet_tf.models.panet import panet
from panet_tf.models.panoptic_merger import PanopticMerger
from panet_tf.models.proposal_selector import ProposalSelector
from panet_tf.models.roi_sampler import RoISampler
from panet_tf.models.sa_ej_rcnn import sa_ej_rcnn
from panet_tf.necks.bottom_up import BottomUp
from panet_tf.necks.fpn import FPN
from panet_tf.necks.pafpn import PAFPN
from panet_tf.necks.sa_fpn import SAFPN
from tests.models.panoptic_scene import PANOPTIC, panoptic_batch
from tests.models.tiny import CATEGORIES, tiny_backbone

QUICK = (0, 2, 4)  # of small backbones; together they have stages, stuff, keypoints and both kinds of pooling
THINGS = tuple(category for category in PANOPTIC if category["isthing"])


def draw(seed):
    """The choices of one combination, as a dict to print and the model they make."""
    rng = np.random.default_rng(seed)

    def one_of(*choices):
        return choices[rng.integers(len(choices))]

    norm = one_of(None, "group", "batch", "frozen_bn")
    chosen = {
        "assemble": one_of(faster_rcnn, mask_rcnn, panet, sa_ej_rcnn),
        "cascade": one_of(False, True),
        "panoptic": one_of(None, "ranking", "scores"),
        "keypoints": one_of(False, True),
        "norm": norm,
        "neck": one_of("default", "fpn", "pafpn", "sa_fpn", "buf_fpn"),
        "pooling": one_of(FPNLevelPooling, AdaptivePooling),
        "backbone": one_of("tiny", "tiny", "resnet18", "non_local", "deformable"),
        "class_agnostic": one_of(False, True),
        "fusion": one_of("max", "sum", "prod"),
        "interleaving": one_of(None, "repool", "reuse"),
    }
    if chosen["panoptic"] and chosen["assemble"] is faster_rcnn:
        chosen["assemble"] = mask_rcnn  # a panoptic map is made of masks
    if chosen["cascade"] and chosen["interleaving"] == "reuse":
        chosen["interleaving"] = "repool"
    return chosen, build(chosen)


def build(chosen):
    norm, pooling = chosen["norm"], chosen["pooling"]
    masks = chosen["assemble"] is not faster_rcnn
    necks = {
        "fpn": lambda: [FPN(filters=8, norm=norm)],
        "pafpn": lambda: [FPN(filters=8, norm=norm), PAFPN(filters=8, norm=norm)],
        "sa_fpn": lambda: [SAFPN(filters=8, norm=norm)],
        "buf_fpn": lambda: [BottomUp(filters=8, norm=norm)],
    }
    backbones = {
        "tiny": tiny_backbone,
        "resnet18": lambda: resnet(18, norm="group"),
        "non_local": lambda: resnet(18, norm="group", non_local=(("C4", -1),)),
        "deformable": lambda: resnet(50, norm="group", deform_stages=(("C5", 1),)),
    }
    head = functools.partial(BoxHead, num_convs=1, num_fcs=1, filters=8, units=16, norm=norm, fusion=chosen["fusion"])
    agnostic = chosen["class_agnostic"] or chosen["cascade"]
    parts = {
        "backbone": backbones[chosen["backbone"]](),
        "filters": 8,
        "norm": norm,
        "rpn_head": RPNHead(num_anchors=3, filters=8),
        "anchor_generator": AnchorGenerator(sizes=(8, 16, 24, 32, 48)),
        "anchor_sampler": AnchorSampler(count=32),
        "proposal_selector": ProposalSelector(pre_nms_top_k=(32, 16), post_nms_top_k=(16, 8)),
        "box_head": functools.partial(head, class_agnostic=agnostic),
    }
    if chosen["neck"] != "default":
        parts["necks"] = necks[chosen["neck"]]()
    if chosen["assemble"] in (faster_rcnn, mask_rcnn):
        parts["box_pooling"] = pooling(output_size=7)
    if masks:
        parts["interleaving"] = chosen["interleaving"]
        parts["mask_head"] = functools.partial(MaskHead, num_convs=2, filters=8, norm=norm, class_agnostic=agnostic)
    if chosen["keypoints"]:
        parts["keypoint_pooling"] = pooling(output_size=14)
        parts["keypoint_head"] = KeypointHead(num_keypoints=2, num_convs=1, filters=8)
    instances = chosen["assemble"]
    if chosen["cascade"]:
        instances = functools.partial(cascade_rcnn, assemble=instances, count=16)
        weights = (30.0, 30.0, 15.0, 15.0)
    else:
        parts["roi_sampler"] = RoISampler(count=16)
        weights = (10.0, 10.0, 5.0, 5.0)
    parts["detection_selector"] = DetectionSelector(score_threshold=0.0, max_detections=4, box_weights=weights)
    if not chosen["panoptic"]:
        return instances(categories=THINGS, **parts)
    if chosen["panoptic"] == "scores":
        parts["spatial_ranking"] = None
    return oanet(
        categories=PANOPTIC,
        instance_model=instances,
        semantic_head=functools.partial(StuffHead, filters=4, fused_filters=8),
        panoptic_merger=PanopticMerger(score_threshold=0.0, min_stuff_area=16),
        **parts,
    )


def batch():
    batch = panoptic_batch(batch=2, height=64, width=64)
    centres = (batch["boxes"][..., :2] + batch["boxes"][..., 2:]) / 2
    points = np.stack([centres, batch["boxes"][..., :2] + 1], axis=2)
    visible = np.broadcast_to(2.0 * (batch["classes"] > 0)[..., None, None], (*points.shape[:3], 1))
    return {**batch, "keypoints": np.concatenate([points, visible], axis=-1).astype("float32")}


@pytest.mark.parametrize(
    "seed", [pytest.param(seed, marks=() if seed in QUICK else pytest.mark.slow) for seed in range(50)]
)
def test_what_makes_sense_composes(seed, tmp_path):
    keras.utils.set_random_seed(seed)
    chosen, model = draw(seed)
    model.compile(optimizer=keras.optimizers.Adam(1e-4), run_eagerly=True)  # a trace would take ten times as long
    data = {key: tf.constant(value) for key, value in batch().items()}
    for _ in range(2):
        logs = model.train_on_batch(data, return_dict=True)
        assert all(np.isfinite(value) for value in logs.values()), chosen
    assert set(logs) == {"loss", *model.loss_names}
    expected = model.predict_on_batch(data)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    loaded.compile(run_eagerly=True)
    found = loaded.predict_on_batch(data)
    assert set(found) == set(expected)
    for key, value in expected.items():
        np.testing.assert_allclose(found[key], value, atol=1e-4, err_msg=f"{key} of {chosen}")


def test_what_does_not_is_refused_with_a_reason():
    parts = {"categories": CATEGORIES, "backbone": tiny_backbone(), "filters": 8}
    head = BoxHead(num_classes=2, filters=8, units=16)
    with pytest.raises(ValueError, match="takes the features that boxes came from"):
        cascade_rcnn(interleaving="reuse", **parts)
    with pytest.raises(ValueError, match="interleaving needs a mask_head"):
        faster_rcnn(interleaving="repool", box_head=head, **parts)
    with pytest.raises(ValueError, match="must be None"):
        mask_rcnn(interleaving="again", box_head=head, **parts)
    with pytest.raises(ValueError, match="panoptic_merger needs a mask_head"):
        oanet(
            categories=PANOPTIC, instance_model=faster_rcnn, backbone=tiny_backbone(), filters=8, spatial_ranking=None
        )
